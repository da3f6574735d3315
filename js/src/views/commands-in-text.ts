/** What of a hint is meant to be run or visited. Pure. */

const PIP = /%pip install [A-Za-z0-9_.,[\]<>=!~ -]+/;
const LOG_IN = /`(hf auth login)`/;
const ALLOW = /commit="([0-9a-f]{40})"/;
const PLAIN_ID = /^[\w.-]+$/;

/** The line of a notebook that installs what is missing, null where the hint names none. */
export function installLine(hint: string): string | null {
  return PIP.exec(hint)?.[0].trim() ?? null;
}

/** The line of a notebook that allows the files of the commit which the hint names. */
export function allowLine(id: string, hint: string): string | null {
  const commit = ALLOW.exec(hint)?.[1];
  return commit && PLAIN_ID.test(id) ? `%rmm allow ${id} ${commit}` : null;
}

/** The command of a terminal that logs in. */
export function logInLine(hint: string): string | null {
  return LOG_IN.exec(hint)?.[1] ?? null;
}

/** The repository's page on its Hub where the hint names it: an http(s) address that ends with the repository. */
export function repositoryPage(repo: string, hint: string): string | null {
  for (const word of hint.split(/\s+/)) {
    const address = pageAddress(word.replace(/[.,;]$/, ""));
    if (address?.endsWith(`/${repo}`)) {
      return address;
    }
  }
  return null;
}

/** The address where it is one of a web page, else null: never `javascript:` or `data:`, and no user names in it. */
export function pageAddress(text: string): string | null {
  try {
    const url = new URL(text);
    const isPage = url.protocol === "https:" || url.protocol === "http:";
    return isPage && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}
