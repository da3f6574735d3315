/** What a model is and what it takes: its card, facts and tags. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Details, Row } from "../../protocol/schema";
import { formatBytes, formatDuration } from "../format";
import { localMoment } from "../moments";
import { checkedAddress } from "./page-link";

const SHORT_COMMIT = 8;
const MOST_TAGS = 24;

interface OverviewProps {
  readonly details: Details;
  readonly row: Row | undefined;
}

export function Overview({ details, row }: OverviewProps) {
  return (
    <>
      {details.card && <p class="rmm-card">{details.card}</p>}
      <dl class="rmm-details-facts">
        <Fact name="Repository">
          <Page address={details.page} name={row?.repo || details.id} />
        </Fact>
        <Fact name="Licence">{details.licence || "not stated"}</Fact>
        <Fact name="Revision">{details.revision || "default branch"}</Fact>
        {details.commit && (
          <Fact name="Commit">
            <Commit commit={details.commit} />
          </Fact>
        )}
        <Fact name="On disk">{diskWords(details)}</Fact>
        {details.unfinished > 0 && <Fact name="Unfinished">{formatBytes(details.unfinished)}</Fact>}
        {details.loader && <Fact name="Loader">{details.loader}</Fact>}
        {details.device && <Fact name="Device">{details.device}</Fact>}
        {details.placement && <Fact name="Runs in">{details.placement}</Fact>}
        <Fact name="Memory">
          <Memory now={details.memory} need={details.need} />
        </Fact>
        {details.loaded_at && (
          <Fact name="Loaded since">
            <Moment time={details.loaded_at} />
          </Fact>
        )}
        {details.last_used && (
          <Fact name="Last used">
            <Moment time={details.last_used} />
          </Fact>
        )}
        {details.keep_alive !== null && (
          <Fact name="Kept loaded">{formatDuration(details.keep_alive)} after its last use</Fact>
        )}
      </dl>
      {details.tags.length > 0 && <Tags tags={details.tags} />}
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Page({ address, name }: { address: string; name: string }) {
  const checked = checkedAddress(address);
  if (!checked) {
    return name;
  }
  return (
    <a class="rmm-link" href={checked} target="_blank" rel="noopener noreferrer" title={checked}>
      {name}
      <span class="rmm-unseen"> (opens in a new tab)</span>
      <svg class="rmm-icon rmm-link-mark" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path d="M9 2h5v5h-1.500V4.600L7.500 9.600 6.400 8.500l5-5H9ZM3 4h4v1.500H4.500v6h6V9H12v4H3Z" />
      </svg>
    </a>
  );
}

function Commit({ commit }: { commit: string }) {
  const isWhole = useSignal(false);
  return (
    <>
      <code>{isWhole.value ? commit : commit.slice(0, SHORT_COMMIT)}</code>{" "}
      {commit.length > SHORT_COMMIT && (
        <button
          type="button"
          class="rmm-button rmm-inline"
          aria-expanded={isWhole.value}
          aria-label="Whole commit"
          onClick={() => {
            isWhole.value = !isWhole.value;
          }}
        >
          {isWhole.value ? "short" : "whole"}
        </button>
      )}
    </>
  );
}

function diskWords({ size_on_disk, freeable }: Details): string {
  if (size_on_disk === 0) {
    return "nothing";
  }
  const size = formatBytes(size_on_disk);
  return freeable < size_on_disk ? `${size}, of which deleting frees ${formatBytes(freeable)}` : size;
}

/** What it takes now against what was expected. */
function Memory({ now, need }: { now: number; need: number }) {
  if (now === 0) {
    return need > 0 ? `about ${formatBytes(need)} once loaded` : "unknown until it is loaded";
  }
  if (need === 0) {
    return formatBytes(now);
  }
  const most = Math.max(now, need);
  return (
    <>
      {formatBytes(now)} of an expected {formatBytes(need)}
      <span class="rmm-details-memory" data-over={now > need || undefined} aria-hidden="true">
        <span class="rmm-memory-now" style={{ width: `${(100 * now) / most}%` }} />
        <span class="rmm-memory-need" style={{ "inset-inline-start": `${(100 * need) / most}%` }} />
      </span>
    </>
  );
}

function Moment({ time }: { time: string }) {
  return (
    <time dateTime={time} title={time}>
      {localMoment(time)}
    </time>
  );
}

function Tags({ tags }: { tags: readonly string[] }) {
  const all = useSignal(false);
  const shown = all.value ? tags : tags.slice(0, MOST_TAGS);
  return (
    <>
      <ul class="rmm-tags" aria-label="Tags">
        {shown.map((tag) => (
          <li key={tag}>{tag}</li>
        ))}
      </ul>
      {tags.length > MOST_TAGS && (
        <button
          type="button"
          class="rmm-button"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? "Fewer tags" : `All ${tags.length} tags`}
        </button>
      )}
    </>
  );
}
