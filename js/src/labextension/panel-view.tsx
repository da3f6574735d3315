/** What the side panel shows: the models of a kernel, or why there are none and what to do about it. */
import type { TranslationBundle } from "@jupyterlab/translation";
import { useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { PACKAGE_VERSION } from "../protocol/schema";
import type { CodePlace } from "../views/code-place";
import { CopyLine } from "../views/copy-line";
import { ManagerPanel } from "../views/manager-panel";
import { mount } from "../views/mount";
import { type Sign, SignMark } from "../views/sign-mark";
import type { ViewState } from "../views/state";
import { followTheme } from "../views/theme";
import { type Connection, isSameVersion } from "./connection";
import type { LinkState } from "./kernel-link";
import type { KernelMemories } from "./kernel-memories";
import { meet, type PendingRequest } from "./panel-requests";
import type { IModelsLink } from "./tokens";

interface Props {
  readonly link: IModelsLink;
  readonly trans: TranslationBundle;
  readonly codePlace?: CodePlace | undefined;
}

interface PanelProps extends Props {
  readonly request: PendingRequest;
  readonly memories: KernelMemories;
}

export function PanelView({ link, trans, codePlace, request, memories }: PanelProps) {
  const state = link.state.value;
  const name = link.name.value;
  return (
    <>
      {name && state.kind !== "no-document" && (
        <div class="rmm-SidePanel-head" title={name}>
          {name}
        </div>
      )}
      {state.kind === "connected" && !state.connection.brief ? (
        <Models
          connection={state.connection}
          trans={trans}
          codePlace={codePlace}
          request={request}
          memories={memories}
        />
      ) : (
        <Plain>
          <Words state={state.kind === "connected" ? { kind: "connecting" } : state} link={link} trans={trans} />
        </Plain>
      )}
    </>
  );
}

interface ModelsProps extends Omit<PanelProps, "link"> {
  readonly connection: Connection;
}

function Models({ connection, trans, codePlace, request, memories }: ModelsProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const View = ({ state }: { state: ViewState }) => {
      useSignalEffect(() => {
        if (request.value) {
          meet(request.value, state);
          request.value = null;
        }
      });
      return <ManagerPanel state={state} />;
    };
    const memory = memories.of(connection.kernel.id);
    return place.current ? mount(View, connection, place.current, { codePlace, memory }) : undefined;
  }, [connection, codePlace, request, memories]);
  return (
    <>
      <Caveats connection={connection} trans={trans} />
      <div class="rmm-SidePanel-content" ref={place} />
    </>
  );
}

/** What is not as it should be although all works. */
function Caveats({ connection, trans }: { connection: Connection; trans: TranslationBundle }) {
  const caveats: string[] = [];
  if (!isSameVersion(connection)) {
    const words = trans.__(
      "rmm_widgets %1 in the kernel, %2 in this panel.",
      connection.kernelVersion,
      PACKAGE_VERSION,
    );
    caveats.push(words);
  }
  if (!connection.besideCells) {
    caveats.push(trans.__("What you ask for waits for the running cell; ipykernel 7.1 or newer does it at once."));
  }
  return caveats.length === 0 ? null : (
    <Plain>
      {caveats.map((words) => (
        <p key={words} class="rmm-sidepanel-caveat">
          <SignMark sign="info" />
          <span>{words}</span>
        </p>
      ))}
    </Plain>
  );
}

/** Our own ground for what is no view of a model manager. */
function Plain({ children }: { children: ComponentChildren }) {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => (root.current ? followTheme(root.current) : undefined), []);
  return (
    <div class="rmm-root" data-lm-suppress-shortcuts="true" ref={root}>
      {children}
    </div>
  );
}

function Words({ state, link, trans }: Props & { state: Exclude<LinkState, { kind: "connected" }> }) {
  const again = (label: string) => (
    <button type="button" class="rmm-button" onClick={() => link.connect()}>
      {label}
    </button>
  );
  switch (state.kind) {
    case "resting":
      return null;
    case "no-document":
      return (
        <Said head={trans.__("No notebook or console is open")}>
          <p>{trans.__("Open one to see the models of its kernel.")}</p>
        </Said>
      );
    case "no-kernel":
      return (
        <Said head={trans.__("No kernel")}>
          <p>{trans.__("Start one for this document to see its models.")}</p>
        </Said>
      );
    case "starting":
      return <Wait>{trans.__("Waiting for the kernel…")}</Wait>;
    case "connecting":
      return <Wait>{trans.__("Connecting…")}</Wait>;
    case "restarting":
      return <Wait>{trans.__("The kernel is restarting…")}</Wait>;
    case "waiting":
      return (
        <Said sign="info" head={trans.__("The kernel has not answered yet")}>
          <p>{trans.__("It may be busy with a cell. Its models are shown as soon as it answers.")}</p>
        </Said>
      );
    case "ended":
      return (
        <Said sign="warning" head={trans.__("The kernel has ended")}>
          <p>{trans.__("Start it again to see its models.")}</p>
        </Said>
      );
    case "other-language":
      return (
        <Said head={trans.__("No models here")}>
          <p>{trans.__("The kernel runs %1. Models are managed in Python kernels.", state.language)}</p>
        </Said>
      );
    case "offer":
      return (
        <Said head={state.because === "closed" ? trans.__("The model manager was closed") : trans.__("Not connected")}>
          <p>
            {state.because === "closed"
              ? trans.__("Connecting makes a new one in this kernel.")
              : trans.__("Connecting runs a few silent lines in this kernel.")}
          </p>
          {again(trans.__("Connect"))}
        </Said>
      );
    case "missing":
      return (
        <Said sign="warning" head={trans.__("rmm_widgets is not installed in this kernel")}>
          <p>{trans.__("Run this in a cell:")}</p>
          <CopyLine line="%pip install rmm_widgets" />
          {again(trans.__("Look again"))}
        </Said>
      );
    case "other-version":
      return <OtherVersion state={state} again={again(trans.__("Look again"))} trans={trans} />;
    case "failed":
      return (
        <Said sign="error" head={trans.__("The models of this kernel cannot be shown")}>
          <p class="rmm-error-text">{state.message}</p>
          {state.hint && <p class="rmm-hint">{state.hint}</p>}
          {again(trans.__("Try again"))}
        </Said>
      );
  }
}

interface OtherVersionProps {
  readonly state: Extract<LinkState, { kind: "other-version" }>;
  readonly again: ComponentChildren;
  readonly trans: TranslationBundle;
}

function OtherVersion({ state, again, trans }: OtherVersionProps) {
  return (
    <Said sign="warning" head={trans.__("Panel and kernel do not fit together")}>
      <p>
        {trans.__("The kernel has rmm_widgets %1, this panel is of %2.", state.version || "?", PACKAGE_VERSION)}{" "}
        {trans.__("They come from different environments. Run this in a cell, then restart the kernel:")}
      </p>
      <CopyLine line={`%pip install rmm_widgets==${PACKAGE_VERSION}`} />
      <p>{trans.__("Or install the kernel's version where JupyterLab runs, then reload this page.")}</p>
      {again}
    </Said>
  );
}

function Said({ sign, head, children }: { sign?: Sign; head: string; children: ComponentChildren }) {
  return (
    <div class="rmm-sidepanel-said" role="status">
      <p class="rmm-sidepanel-said-head">
        {sign && <SignMark sign={sign} />}
        <span>{head}</span>
      </p>
      {children}
    </div>
  );
}

/** For what is over in a moment: shown only where it is not. */
function Wait({ children }: { children: ComponentChildren }) {
  return (
    <p class="rmm-sidepanel-wait" role="status">
      {children}
    </p>
  );
}
