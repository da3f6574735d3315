/** Moments in words of the user's own language and time zone. Pure but for those. */

/** `26 Nov 2026, 01:19`; the text as it is where it is no moment. */
export function localMoment(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** `01:19:20`, with the day before it where that is not today. */
export function localClock(time: string, now: Date = new Date()): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) {
    return time;
  }
  const isToday = date.toDateString() === now.toDateString();
  return isToday
    ? date.toLocaleTimeString()
    : date.toLocaleString(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });
}
