/** Panel and kernel tell each other who they are; they often come from different environments. */
import { type Greeting, type Hello, PACKAGE_VERSION, PROTOCOL_VERSION } from "../protocol/schema";
import { ConnectFailure } from "./connect-failure";

/**
 * What the panel says of itself with the comms that it opens.
 *
 * @param former the panels of the page that was in its tab before
 * @param brief whether it wants the head line only
 */
export function greeting(client: string, former: string[], brief: boolean): Required<Greeting> {
  return { client, version: PACKAGE_VERSION, protocol: PROTOCOL_VERSION, former, brief };
}

/**
 * Reads the kernel's answer to `hello`.
 *
 * @throws ConnectFailure where it speaks another protocol
 */
export function readHello(answer: unknown): Hello {
  const { version, protocol } = (answer ?? {}) as Partial<Hello>;
  const hello = { version: String(version ?? ""), protocol: Number(protocol) };
  if (hello.protocol !== PROTOCOL_VERSION) {
    throw new ConnectFailure({ kind: "other-version", ...hello });
  }
  return hello;
}
