/**
 * What tests run inside the window. Plain JavaScript: each function is sent there as text, so it can use nothing from
 * outside of itself.
 */
/* global MutationObserver, document, getComputedStyle, innerHeight, innerWidth, performance, requestAnimationFrame, setTimeout */

/** Whatever leaves the window sideways, or is a control that cannot be seen or reached as a whole. */
export function findCutOff() {
  const found = [];
  const page = document.documentElement;
  if (page.scrollWidth > innerWidth)
    found.push(`the page: ${page.scrollWidth} of ${innerWidth} px`);
  const main = document.querySelector('main:not([hidden])');
  if (main.scrollWidth > main.clientWidth) {
    found.push(`the view: ${main.scrollWidth} of ${main.clientWidth} px`);
  }
  const controls = 'button, input, select, textarea, summary, [role="grid"], [tabindex="0"]';
  for (const control of document.querySelectorAll(controls)) {
    const box = control.getBoundingClientRect();
    // Radio buttons and the like that are only there for the keyboard are drawn by their label.
    if (!control.checkVisibility() || box.width <= 1 || box.height <= 1) continue;
    const room = { left: 0, right: innerWidth, top: 0, bottom: innerHeight };
    let [sideways, upright] = [false, false];
    for (let outer = control.parentElement; outer !== null; outer = outer.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(outer);
      sideways ||= /auto|scroll/.test(overflowX) && outer !== main;
      upright ||= /auto|scroll/.test(overflowY);
      const around = outer.getBoundingClientRect();
      if (/hidden|clip/.test(overflowX) && !sideways) {
        room.left = Math.max(room.left, around.left);
        room.right = Math.min(room.right, around.right);
      }
      if (/hidden|clip/.test(overflowY) && !upright) {
        room.top = Math.max(room.top, around.top);
        room.bottom = Math.min(room.bottom, around.bottom);
      }
    }
    const name = control.getAttribute('aria-label') ?? control.textContent.trim().slice(0, 40);
    const say = `${control.localName} “${name}”`;
    if (!sideways && (box.left < room.left - 1 || box.right > room.right + 1)) {
      found.push(`${say}: ${Math.round(box.left)} to ${Math.round(box.right)} px across`);
    }
    if (!upright && (box.top < room.top - 1 || box.bottom > room.bottom + 1)) {
      found.push(`${say}: ${Math.round(box.top)} to ${Math.round(box.bottom)} px down`);
    }
  }
  return found;
}

/** The element that has the focus: which one, whether it is in sight, and whether one sees that it has it. */
export async function describeFocus() {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const outlined = (one) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    return outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1;
  };
  // Fields within a frame, and inputs that only the keyboard sees, are marked at what stands around them.
  const around = [element, element.parentElement, element.parentElement?.parentElement];
  const findMarked = () => around.find((one) => one !== undefined && outlined(one));
  let marked = findMarked();
  // The mark may take some frames to appear.
  for (let frame = 0; frame < 20 && marked === undefined; frame++) {
    await new Promise((resolve) => {
      requestAnimationFrame(resolve);
    });
    marked = findMarked();
  }
  const { bottom, left, right, top } = (marked ?? element).getBoundingClientRect();
  const label =
    element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
  return {
    index: [...document.querySelectorAll('*')].indexOf(element),
    name: `${element.localName} “${label.trim().slice(0, 40)}”`,
    marked: marked !== undefined,
    inSight: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
  };
}

/** Milliseconds from a click on the view's entry until the frame that shows it is drawn. */
export async function timeSwitch(title) {
  const entry = [...document.querySelectorAll('nav button')].find((button) =>
    button.textContent.trim().startsWith(title),
  );
  const began = performance.now();
  entry.click();
  await new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve, 0));
  });
  return performance.now() - began;
}

/** Begins to measure how late timers are; the returned promise of `stopDelay` gives the 99th percentile. */
export function startDelay() {
  const period = 10;
  const late = [];
  let last = performance.now();
  const state = { going: true, late };
  globalThis.measuredDelay = state;
  const tick = () => {
    const now = performance.now();
    late.push(Math.max(0, now - last - period));
    last = now;
    if (state.going) setTimeout(tick, period);
  };
  setTimeout(tick, period);
}

/** Ends what `startDelay` began; milliseconds. */
export function stopDelay() {
  const { late } = globalThis.measuredDelay;
  globalThis.measuredDelay.going = false;
  const sorted = [...late].sort((a, b) => a - b);
  return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, samples: sorted.length };
}

/** Milliseconds from the start of the page's process to its first contentful paint, as the page knows it. */
export function firstPaint() {
  const [paint] = performance.getEntriesByName('first-contentful-paint');
  return paint === undefined ? null : performance.timeOrigin + paint.startTime;
}

/** How far the run in progress is, in percent as the window says it; null where it does not. */
export function runProgress() {
  const bar = document.querySelector('[aria-label="Run in progress"] [role="progressbar"]');
  const value = bar?.getAttribute('aria-valuenow');
  return value === null || value === undefined ? null : Number(value);
}

/** Presses Cancel as soon as the bar of the run says all of `words`; how long the bar stays after that. */
export async function cancelWhen(words) {
  const dock = () => document.querySelector('section[aria-label="Run in progress"]');
  const until = (reached) =>
    new Promise((resolve) => {
      const observer = new MutationObserver(() => look());
      const look = () => {
        if (!reached()) return;
        observer.disconnect();
        resolve();
      };
      observer.observe(document.body, { subtree: true, childList: true, characterData: true });
      look();
    });
  await until(() => words.every((word) => dock()?.textContent.includes(word)));
  const cancel = [...dock().querySelectorAll('button')].find(
    (button) => button.textContent.trim() === 'Cancel',
  );
  const pressed = performance.now();
  cancel.click();
  await until(() => dock() === null);
  return performance.now() - pressed;
}
