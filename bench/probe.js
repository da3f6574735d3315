/**
 * What the front end's measurements ask inside the page: when something was painted, frames, keystrokes.
 *
 * Times are milliseconds of the system's clock, as `time.time()` has them in the kernel, times 1000.
 */
globalThis.rmmBench = (() => {
  /** What to add to performance.now(): where Date.now(), which has whole milliseconds, ticks, the two are equal. */
  const clockOffset = () => {
    let most = -Infinity; // a pause between the two lines makes it smaller, nothing makes it larger
    for (let tick = 0; tick < 10; tick += 1) {
      const before = Date.now();
      let date = before;
      while (date === before) {
        date = Date.now();
      }
      most = Math.max(most, date - performance.now());
    }
    return most;
  };
  let offset = clockOffset();
  const wall = (time) => offset + time;

  /** The moment after the next frame has been painted; after that only the compositor's work is left. */
  const painted = () =>
    new Promise((resolve) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(performance.now());
        port2.postMessage(0);
      });
    });

  const PATIENCE = 60_000;
  /** The promise, or a failure where it takes too long. */
  const inTime = (promise, what) =>
    Promise.race([
      promise,
      new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing came of ${what}`)), PATIENCE)),
    ]);

  /** Calls `seen` after each change of the document, and once now, until it returns true. */
  const watch = (seen) => {
    if (seen()) {
      return;
    }
    const observer = new MutationObserver(() => seen() && observer.disconnect());
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  };

  // What is awaited on canvases: text -> what to call.
  const drawn = new Map();
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    fillText.call(this, text, ...rest);
    drawn.get(text)?.();
  };

  let shown = null;
  /** Begins to wait for an element or, without a selector, for a canvas to show a text; `whenShown` tells when it did. */
  const expectShown = (selector, text) => {
    offset = clockOffset();
    const found = new Promise((resolve) => {
      if (!selector) {
        drawn.set(text, resolve);
        return;
      }
      watch(() => {
        const is = [...document.querySelectorAll(selector)].some((element) => element.textContent.includes(text));
        if (is) {
          resolve();
        }
        return is;
      });
    });
    shown = found.then(painted).then((time) => {
      drawn.delete(text);
      return wall(time);
    });
  };

  const grid = () => document.querySelector('[role="grid"][aria-label="Models"]');

  /** The element that scrolls the grid's rows: the grid, or one in or around it. */
  const scroller = () => {
    const candidates = [grid(), ...grid().querySelectorAll("*")];
    for (let parent = grid().parentElement; parent; parent = parent.parentElement) {
      candidates.push(parent);
    }
    return candidates.find(
      (each) => each.scrollHeight > each.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(each).overflowY),
    );
  };

  /** Runs `each(share of the time)` in every frame; returns the milliseconds between frames. */
  const frames = (seconds, each) =>
    new Promise((resolve) => {
      const times = [];
      const frame = (time) => {
        times.push(time);
        const share = (time - times[0]) / (seconds * 1000);
        each(Math.min(1, share));
        if (share < 1) {
          requestAnimationFrame(frame);
        } else {
          resolve(times.slice(1).map((at, index) => at - times[index]));
        }
      };
      requestAnimationFrame(frame);
    });

  /** Frames of a page in which nothing happens. */
  const rest = (seconds) => frames(seconds, () => {});

  /**
   * Scrolls from the first row to the last at one speed.
   *
   * Returns the milliseconds between frames, and which share of the frames that were looked at began without a row in
   * the middle of the table. Not every frame is: looking makes the page lay itself out a little earlier.
   */
  const scroll = async (seconds) => {
    const element = scroller();
    const box = element.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    let [frame, looks, blank] = [0, 0, 0];
    element.scrollTop = 0;
    await painted();
    const between = await frames(seconds, (share) => {
      frame += 1;
      if (frame % 10 === 0) {
        looks += 1;
        blank += document.elementFromPoint(x, y)?.closest('[role="row"]') ? 0 : 1;
      }
      element.scrollTop = share * (element.scrollHeight - element.clientHeight);
    });
    await painted();
    const last = [...grid().querySelectorAll('[role="row"][aria-rowindex]')].at(-1).getAttribute("aria-rowindex");
    element.scrollTop = 0;
    return {
      between,
      blank: looks ? blank / looks : 1,
      last: Number(last),
      rows: Number(grid().getAttribute("aria-rowcount")),
    };
  };

  let result = null;
  /** Begins to wait for a key and then for the grid to have another number of rows. */
  const expectResult = () => {
    const before = grid().getAttribute("aria-rowcount");
    const key = new Promise((resolve) => {
      addEventListener("keydown", (event) => resolve(event.timeStamp), { capture: true, once: true });
    });
    const changed = new Promise((resolve) => {
      watch(() => {
        const has = grid().getAttribute("aria-rowcount") !== before;
        if (has) {
          resolve();
        }
        return has;
      });
    });
    result = Promise.all([key, changed.then(painted)]).then(([pressed, seen]) => seen - pressed);
  };

  const clicks = [];
  addEventListener("click", (event) => clicks.push(wall(event.timeStamp)), { capture: true });

  return {
    now: () => {
      offset = clockOffset();
      return wall(performance.now());
    },
    expectShown,
    whenShown: () => inTime(shown, "what should be shown"),
    rest,
    scroll,
    expectResult,
    whenResult: () => inTime(result, "the key"),
    lastClick: () => clicks.at(-1),
  };
})();
