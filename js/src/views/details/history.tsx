/** What happened to a model: its story in sentences, and the events behind it. */
import type { Details } from "../../protocol/schema";
import { words } from "../format";
import { localClock } from "../moments";

export function History({ details }: { details: Details }) {
  const { story, events } = details;
  if (story.length === 0 && events.length === 0) {
    return <p class="rmm-empty">Nothing has happened to it yet.</p>;
  }
  return (
    <>
      <ol class="rmm-lines rmm-story" aria-label="Story, oldest first">
        {story.map((sentence, at) => (
          <li key={at}>{sentence}</li>
        ))}
      </ol>
      {events.length > 0 && (
        <details>
          <summary>Events ({events.length})</summary>
          <ol class="rmm-lines" aria-label="Events, newest first">
            {[...events].reverse().map((event) => (
              <li key={event.seq}>
                <time dateTime={event.time} title={event.time}>
                  {localClock(event.time)}
                </time>{" "}
                {words(event.type)} {event.action} {event.text}
              </li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}
