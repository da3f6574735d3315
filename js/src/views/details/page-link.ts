/** Addresses of models' pages: hostile input until proven a plain web address. Pure. */

/** The address where it is one of the web, without a password in it; else null, and the view shows plain text. */
export function checkedAddress(text: string): string | null {
  let address: URL;
  try {
    address = new URL(text);
  } catch {
    return null;
  }
  const isWeb = address.protocol === "https:" || address.protocol === "http:";
  return isWeb && address.username === "" && address.password === "" ? address.href : null;
}
