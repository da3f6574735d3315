/** The drawer of one model: a region beside the table that takes the focus when it opens and gives it back. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Details } from "../../protocol/schema";
import type { CommandFailed } from "../command-client";
import { cutText } from "../cut-text";
import { canTakeFocus, focusedElement, tableNear, useKeptFocus } from "../focus";
import { MoreAbout } from "../more-about";
import type { ViewState } from "../state";
import type { Trial } from "../trial/trial";
import { TrialForm } from "../trial/trial-form";
import { DetailsFeed } from "./details-feed";
import { DrawerHead } from "./drawer-head";
import { FilesList } from "./files-list";
import { HealthView } from "./health-view";
import { History } from "./history";
import { Overview } from "./overview";
import { changesOf, withoutSettled } from "./settings-draft";
import { SettingsForm } from "./settings-form";
import { Tabs } from "./tabs";

const LONGEST_ID = 200;

interface DrawerProps {
  readonly state: ViewState;
  readonly id: string;
  readonly trial: Trial;
  /** Whether it was open when the view came: then it leaves the focus where that is. */
  readonly wasOpen: boolean;
}

export function Drawer({ state, id, trial, wasOpen }: DrawerProps) {
  const element = useRef<HTMLElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const feed = useMemo(() => new DetailsFeed(state, id), [state, id]);
  const drafts = state.memory.drafts(id);
  const details = feed.details.value;
  const failure = feed.failure.value;

  useEffect(() => feed.start(), [feed]);
  useVisitedFocus(element, heading, wasOpen);
  useKeptFocus(element, heading);
  useEffect(() => {
    if (details) {
      drafts.value = withoutSettled(details.settings, drafts.peek());
    }
  }, [details, drafts]);

  const close = () => {
    state.open.value = null;
  };
  return (
    <section
      ref={element}
      class="rmm-details"
      aria-label={`Details of ${cutText(id, LONGEST_ID)}`}
      aria-busy={details === null && failure === null}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.isComposing && !event.defaultPrevented) {
          event.stopPropagation();
          close();
        }
      }}
    >
      <DrawerHead
        state={state}
        id={cutText(id, LONGEST_ID)}
        row={feed.row.value}
        heading={heading}
        onRemove={() => {
          state.dialog.value = { kind: "remove", ids: [id] };
        }}
        onClose={close}
      />
      {failure && <Failure state={state} failure={failure} isOld={details !== null} onRetry={() => feed.refresh()} />}
      {!details && !failure && <p class="rmm-empty rmm-details-wait">Asking the kernel…</p>}
      {details && <Sections state={state} feed={feed} details={details} trial={trial} />}
    </section>
  );
}

interface SectionsProps {
  readonly state: ViewState;
  readonly feed: DetailsFeed;
  readonly details: Details;
  readonly trial: Trial;
}

function Sections({ state, feed, details, trial }: SectionsProps) {
  const drafts = state.memory.drafts(feed.id);
  const row = feed.row.value;
  const { config, problems } = changesOf(details.settings, drafts.value);
  const isEdited = Object.keys(config).length + Object.keys(problems).length > 0;
  const tabs = [
    { name: "Overview", draw: () => <Overview details={details} row={row} /> },
    {
      name: "Try it",
      draw: () => row && <TrialForm state={state} trial={trial} row={row} tags={details.tags} />,
    },
    {
      name: "Files",
      mark: feed.files.value.length > 0 ? String(feed.files.value.length) : undefined,
      draw: () => <FilesList state={state} feed={feed} />,
    },
    {
      name: "Settings",
      mark: isEdited ? "•" : undefined,
      draw: () => (
        <SettingsForm
          state={state}
          id={feed.id}
          settings={details.settings}
          isLoaded={row?.status === "loaded"}
          drafts={drafts}
          onApplied={() => feed.refresh()}
        />
      ),
    },
    { name: "Health", draw: () => <HealthView feed={feed} probes={details.probes} /> },
    { name: "History", draw: () => <History details={details} /> },
  ];
  return <Tabs label="Sections" tabs={tabs} chosen={state.memory.tab} />;
}

function Failure(props: { state: ViewState; failure: CommandFailed; isOld: boolean; onRetry(): void }) {
  const { state, failure, isOld, onRetry } = props;
  return (
    <div class="rmm-notice" data-kind="error" role="alert">
      <span class="rmm-error-text">{failure.message}</span>
      {failure.hint && <span class="rmm-hint"> {failure.hint}</span>}
      {isOld && <span> What is shown may be old.</span>}
      <button type="button" class="rmm-button" onClick={onRetry}>
        Retry
      </button>
      <MoreAbout name={failure.guide} state={state} />
    </div>
  );
}

/** Takes the focus to `target` for as long as the element is there, and then back to where it was. */
function useVisitedFocus(
  element: RefObject<HTMLElement | null>,
  target: RefObject<HTMLElement | null>,
  stays: boolean,
): void {
  useLayoutEffect(() => {
    const visited = element.current;
    if (!visited) {
      return;
    }
    const opener = focusedElement(visited);
    if (!stays) {
      target.current?.focus();
    }
    return () => {
      // Not where the user has gone elsewhere meanwhile, as to the row whose details come next.
      if (visited.matches(":focus-within")) {
        (canTakeFocus(opener) ? opener : tableNear(visited))?.focus();
      }
    };
  }, [element, target, stays]);
}
