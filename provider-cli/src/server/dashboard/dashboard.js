// Zooms by drag and by keys, and keeps up with what happens. Without it the pages are complete, too:
// every time that can be reached here is a link or in the form.
"use strict";

(() => {
  const DRAG = 8;
  const SVG = "http://www.w3.org/2000/svg";
  const live = document.getElementById("live");
  if (!live) {
    return;
  }
  let timer = 0;
  let drag = null;
  let asked = 0;

  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(refresh, Number(live.dataset.refresh));
    }
  };

  // What somebody is doing is kept: the focus, what was opened, how far a table was scrolled.
  const put = (fresh) => {
    const focus = document.activeElement;
    const id = live.contains(focus) ? focus.id : "";
    const open = [...live.querySelectorAll("details[open][id]")].map((one) => one.id);
    const scrolled = [...live.querySelectorAll(".scroll")].map((one) => one.scrollTop);
    live.replaceChildren(...fresh.childNodes);
    for (const one of open) {
      document.getElementById(one)?.setAttribute("open", "");
    }
    live.querySelectorAll(".scroll").forEach((one, index) => {
      one.scrollTop = scrolled[index] ?? 0;
    });
    if (id) {
      document.getElementById(id)?.focus({ preventScroll: true });
    }
  };

  const load = async (address) => {
    const number = ++asked;
    const answer = await fetch(address, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (!answer.ok || !fresh) {
      throw new Error(String(answer.status));
    }
    // Whoever asked last is shown.
    if (number === asked && !drag) {
      put(document.importNode(fresh, true));
    }
  };

  // Nobody is disturbed while choosing a time, or where the focus would be lost.
  const isBusy = () => {
    const focus = document.activeElement;
    const isForm = focus && focus.matches("input, select, button");
    return drag || (live.contains(focus) && (isForm || !focus.id));
  };

  const refresh = async () => {
    if (!isBusy()) {
      try {
        await load(location.href);
        live.classList.remove("lost");
      } catch {
        live.classList.add("lost");
      }
    }
    plan();
  };

  const go = async (address) => {
    clearTimeout(timer);
    try {
      await load(address);
      history.pushState(null, "", address);
      plan();
    } catch {
      // The page that is there says what is wrong.
      location.assign(address);
    }
  };

  addEventListener("popstate", () => location.reload());

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) {
      refresh();
    }
  });

  live.addEventListener("keydown", (event) => {
    if (event.target.id !== "curve" || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const key = { "=": "+", "_": "-", "−": "-" }[event.key] ?? event.key;
    const link = [...live.querySelectorAll("a[data-key]")].find((one) => one.dataset.key === key);
    if (link) {
      event.preventDefault();
      go(link.href);
    }
  });

  // Where in time a place in the picture is, to the second.
  const time = (plot, x) => {
    const { from, to, left, right } = plot.dataset;
    const part = (x - Number(left)) / (Number(right) - Number(left));
    return Math.round(Number(from) + Math.min(1, Math.max(0, part)) * (Number(to) - Number(from)));
  };

  const place = (plot, event) => {
    const box = plot.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
    return Math.min(Number(plot.dataset.right), Math.max(Number(plot.dataset.left), x));
  };

  live.addEventListener("pointerdown", (event) => {
    const plot = event.target.closest(".plot");
    if (!plot || event.button !== 0 || event.pointerType === "touch") {
      return;
    }
    const x = place(plot, event);
    const area = document.createElementNS(SVG, "rect");
    area.setAttribute("class", "chosen");
    area.setAttribute("y", plot.dataset.top);
    area.setAttribute("height", String(Number(plot.dataset.bottom) - Number(plot.dataset.top)));
    plot.append(area);
    drag = { plot, area, from: x, to: x };
    plot.setPointerCapture(event.pointerId);
  });

  live.addEventListener("pointermove", (event) => {
    if (drag) {
      drag.to = place(drag.plot, event);
      drag.area.setAttribute("x", String(Math.min(drag.from, drag.to)));
      drag.area.setAttribute("width", String(Math.abs(drag.to - drag.from)));
    }
  });

  const drop = (event) => {
    if (!drag) {
      return;
    }
    const { plot, area, from, to } = drag;
    drag = null;
    area.remove();
    if (event.type === "pointerup" && Math.abs(to - from) >= DRAG) {
      const address = new URL(location.href);
      const begin = time(plot, Math.min(from, to));
      const end = time(plot, Math.max(from, to));
      // Less than a few rounds is not shown.
      const more = Math.max(0, Math.ceil((Number(plot.dataset.least) - (end - begin)) / 2));
      const utc = (seconds) => new Date(seconds * 1000).toISOString();
      address.searchParams.set("from", utc(begin - more));
      address.searchParams.set("to", utc(end + more));
      go(address.href);
    }
  };
  live.addEventListener("pointerup", drop);
  live.addEventListener("pointercancel", drop);

  plan();
})();
