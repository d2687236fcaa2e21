// Looks at the page again and puts in what has changed, so that scrolling and open details stay.
"use strict";
(function () {
  let shown = "";

  function textBelow(node) {
    return String(window.getSelection() || "") !== "" && node.contains(window.getSelection().anchorNode);
  }

  async function look() {
    const main = document.getElementById("main");
    const wait = Number(main.dataset.refresh);
    if (!wait) return;
    try {
      if (!document.hidden && !textBelow(main)) {
        const answer = await fetch(location.pathname + location.search, { credentials: "same-origin" });
        if (new URL(answer.url).pathname !== location.pathname) return location.reload();
        if (answer.ok) put(await answer.text());
      }
      document.body.classList.remove("stale");
    } catch (error) {
      document.body.classList.add("stale");
    }
    setTimeout(look, Number(document.getElementById("main").dataset.refresh) * 1000 || 20000);
  }

  function put(text) {
    if (text === shown) return;
    shown = text;
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
    const main = document.getElementById("main");
    if (!fresh) return;
    const opened = [...main.querySelectorAll("details")].map((each) => each.open);
    const grid = document.getElementById("grid-scroll");
    const scrolled = grid ? [grid.scrollLeft, grid.scrollWidth - grid.clientWidth - grid.scrollLeft < 2] : null;
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    main.replaceWith(fresh);
    fresh.querySelectorAll("details").forEach((each, at) => { each.open = opened[at] || false; });
    if (scrolled) scrollGrid(scrolled);
    if (focused) {
      const again = [...fresh.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused);
      if (again) again.focus({ preventScroll: true });
    }
  }

  function scrollGrid([left, atEnd]) {
    const grid = document.getElementById("grid-scroll");
    if (grid) grid.scrollLeft = atEnd ? grid.scrollWidth : left;
  }

  scrollGrid([0, true]);
  const first = document.getElementById("main");
  if (Number(first.dataset.refresh)) setTimeout(look, Number(first.dataset.refresh) * 1000);
})();
