/** Waiting that ends early where nobody is interested any more. */

/** Resolves after so many milliseconds, or when `until` comes. */
export function pause(milliseconds: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      until.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    until.addEventListener("abort", end);
    if (until.aborted) {
      end();
    }
  });
}
