// Brings what the meters say up to date, while somebody looks. Without it the pages are complete, too.
"use strict";

(() => {
  const PAUSE = 5000;
  const live = document.querySelector("[data-live]");
  if (!live) {
    return;
  }
  const updated = live.querySelector("[data-now=updated]");
  const opened = Date.now();
  let timer = 0;

  const put = (element, text) => {
    if (element.textContent !== text) {
      element.textContent = text;
    }
  };

  const show = ({ updated: time, texts, old }) => {
    const places = new Map();
    for (const element of live.querySelectorAll("[data-now]")) {
      places.set(element.dataset.now, element);
    }
    for (const [name, text] of Object.entries(texts)) {
      const place = places.get(name);
      if (place) {
        put(place, text);
        place.classList.toggle("old", old.includes(name));
      } else if (text !== "" && Date.now() - opened > 30000) {
        // A meter began to say something else: the page is made anew.
        location.reload();
        return;
      }
    }
    put(updated, time);
    updated.parentElement.classList.remove("lost");
  };

  const ask = async () => {
    try {
      const answer = await fetch(live.dataset.live, { cache: "no-store" });
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      show(await answer.json());
    } catch {
      updated.parentElement.classList.add("lost");
      updated.parentElement.title = live.dataset.lost;
    }
    plan();
  };

  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(ask, PAUSE);
    }
  };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) {
      ask();
    }
  });
  plan();
})();
