/** Mounts views for a test and takes them away after it. */
import { afterEach } from "vitest";
import "../style/rmm.css";
import { mount, type View } from "../src/views/mount";
import { FakeHost } from "./fake-host";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) {
    cleanup();
  }
  document.body.replaceChildren();
});

export interface Mounted {
  readonly host: FakeHost;
  readonly element: HTMLElement;
  unmount(): void;
}

export function show(view: View, state: Record<string, unknown> | FakeHost, width = 1000): Mounted {
  const host = state instanceof FakeHost ? state : new FakeHost(state);
  const element = document.createElement("div");
  element.style.width = `${width}px`;
  document.body.append(element);
  const unmount = mount(view, host, element);
  cleanups.push(unmount);
  return { host, element, unmount };
}
