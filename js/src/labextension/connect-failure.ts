/** Why there is no connection to a kernel. */

export type Failure =
  | { readonly kind: "other-language"; readonly language: string }
  /** The kernel has no rmm_widgets. */
  | { readonly kind: "missing" }
  /** The kernel's rmm_widgets cannot talk to this panel; `protocol` is null where it did not come to that. */
  | { readonly kind: "other-version"; readonly version: string; readonly protocol: number | null }
  | { readonly kind: "failed"; readonly message: string; readonly hint: string };

export class ConnectFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.kind);
    this.failure = failure;
  }
}

/** Any error as a failure. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ConnectFailure) {
    return error.failure;
  }
  return { kind: "failed", message: error instanceof Error ? error.message : String(error), hint: "" };
}
