// The console's script. Pages work without it; it adds live rows, copy buttons, keys and the one-time link.
"use strict";
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const say = (text) => { const said = $("#said"); if (said) said.textContent = text; };

  // A one-time link carries its token behind the #, which no server and no log sees. It is used up by a form.
  const link = /^#t=([\w-]{20,200})$/.exec(location.hash);
  if (link) {
    history.replaceState(null, "", location.pathname + location.search);
    const field = $("#link");
    if (field) { field.value = link[1]; field.form.submit(); return; }
  }

  // Copy buttons.
  for (const button of all("[data-copy]")) arm(button);
  function arm(button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(button.dataset.copy); } catch { say("The browser does not allow copying."); return; }
      button.classList.add("done");
      say("Copied.");
      setTimeout(() => button.classList.remove("done"), 1500);
    });
  }

  // What a second press would do twice is pressed once.
  for (const form of all("form[data-once]")) {
    form.addEventListener("submit", () => setTimeout(() => all("button", form).forEach((button) => { button.disabled = true; })));
  }
  addEventListener("pageshow", () => all("form[data-once] button").forEach((button) => { button.disabled = false; }));

  // The browser's own zone, which the server cannot know.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const button of all("[data-local]")) {
    if (!zone || zone === "UTC" || zone === document.documentElement.dataset.zone) continue;
    button.value = zone;
    button.hidden = false;
  }

  // Relative times go on.
  const words = (seconds) => {
    const size = Math.abs(seconds);
    const text = size < 60 ? `${Math.floor(size)} s` : size < 3600 ? `${Math.floor(size / 60)} min` : size < 86400 ? `${Math.floor(size / 3600)} h` : `${Math.floor(size / 86400)} d`;
    return size < 5 ? "now" : seconds > 0 ? `${text} ago` : `in ${text}`;
  };
  // The service's clock counts, not the browser's: the page says what time it was when it was written.
  const clock = $(".clock time");
  const ahead = clock ? Date.parse(clock.dateTime) - Date.now() : 0;
  setInterval(() => {
    for (const small of all("[data-ago]")) {
      const time = $("time", small.parentElement);
      if (time) small.textContent = words((Date.now() + ahead - Date.parse(time.dateTime)) / 1000);
    }
  }, 10000);

  // Menus close by Escape and by a press elsewhere.
  const menus = () => all("details.menu[open]");
  addEventListener("click", (event) => menus().forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; }));

  // What goes on by itself is looked at again, each look after the one before.
  const look = async () => {
    const moving = $("[data-moving]");
    if (!moving) return;
    if (!document.hidden && !moving.contains(document.activeElement)) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
        const next = answer.ok && $(`#${moving.id}`, new DOMParser().parseFromString(await answer.text(), "text/html"));
        if (next) moving.replaceWith(document.importNode(next, true));
      } catch { /* the next look may do */ }
    }
    setTimeout(look, 1000);
  };
  setTimeout(look, 1000);

  // Live rows. The stream says that there is something new; the page then asks for its own rows again.
  const rows = $("#rows"), live = $("[data-live]"), fresh = $("[data-fresh]");
  const brief = $("#brief");
  if (live && rows) {
    live.hidden = false;
    let source, asking = false, again = false, paused = false, waiting = [], hiddenSince = 0, pause = 2000, later = 0;
    const told = (text, odd) => { $("span", live).textContent = text; live.classList.toggle("odd", Boolean(odd)); };
    const busy = () => scrollY > 120 || rows.contains(document.activeElement) || Boolean(getSelection().toString()) || rows.matches(":hover");
    const known = () => new Map(all("tr[data-id]", rows).map((row) => [row.dataset.id, row]));

    const show = () => {
      const body = $("tbody", rows);
      rows.hidden = false;
      const empty = $(".empty");
      if (empty && waiting.length) { location.reload(); return; }
      for (const row of waiting) {
        row.classList.add("came");
        all("[data-copy]", row).forEach(arm);
        // By its id, which is its time: what comes late belongs further down.
        body.insertBefore(row, all("tr[data-id]", body).find((other) => other.dataset.id < row.dataset.id) || null);
      }
      while (body.children.length > 200) body.lastElementChild.remove();
      waiting = [];
      fresh.hidden = true;
    };
    const ask = async () => {
      if (asking) { again = true; return; }
      asking = true;
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
        if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch { told("Signed out, or offline", true); }
      asking = false;
      if (again) { again = false; ask(); }
    };
    const take = (page) => {
      const here = known(), queued = new Set(waiting.map((row) => row.dataset.id));
      const shown = all("tr[data-id]", rows);
      const oldest = shown.length < 50 ? "" : shown[shown.length - 1].dataset.id;
      const added = [];
      for (const row of all("#rows tr[data-id]", page)) {
        const old = here.get(row.dataset.id);
        if (old && old.textContent !== row.textContent && !old.contains(document.activeElement)) old.replaceWith(document.importNode(row, true));
        else if (!old && !queued.has(row.dataset.id) && row.dataset.id > oldest) added.push(document.importNode(row, true));
      }
      if (!added.length) return;
      waiting = added.concat(waiting);
      say(`${waiting.length} new`);
      if (busy()) { fresh.textContent = `${waiting.length} new`; fresh.hidden = false; } else show();
    };
    const open = () => {
      if (source || paused) return;
      source = new EventSource("/console/stream");
      // What came before the stream stood, or while it was cut, is asked for as well.
      source.addEventListener("open", () => { pause = 2000; told("Live"); ask(); });
      source.addEventListener("news", ask);
      source.addEventListener("error", () => {
        told("Reconnecting", true);
        // A browser comes back by itself, unless it was answered with something else: then the service is starting, or
        // without its database, or nobody is signed in any more.
        if (source?.readyState !== EventSource.CLOSED) return;
        close();
        later = setTimeout(open, pause);
        pause = Math.min(pause * 2, 60000);
      });
    };
    const close = () => { clearTimeout(later); source?.close(); source = undefined; };
    live.addEventListener("click", () => {
      paused = !paused;
      live.setAttribute("aria-pressed", String(!paused));
      if (paused) { close(); told("Paused"); } else { told("Connecting"); open(); }
    });
    fresh.addEventListener("click", () => { show(); scrollTo({ top: 0 }); });
    // A page that nobody sees holds no stream: an open one keeps a sleeping host awake.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { hiddenSince = setTimeout(() => { close(); told("Paused while hidden"); }, 60000); } else { clearTimeout(hiddenSince); open(); }
    });
    addEventListener("pagehide", close);
    open();
  } else if (brief) {
    // The overview renews itself now and then, as long as nobody is at it.
    setInterval(() => { if (!document.hidden && document.activeElement === document.body && !menus().length && scrollY < 40) location.reload(); }, 60000);
  }

  // An id that is pasted anywhere leads to what it names.
  addEventListener("paste", (event) => {
    if (event.target.closest?.("input, textarea, select, dialog[open]")) return;
    const text = event.clipboardData?.getData("text").trim() ?? "";
    if (/^\+?[\w:.-]{3,200}$/.test(text)) location.href = `/console/search?q=${encodeURIComponent(text)}`;
  });

  // Keys.
  const help = $("#help");
  const show = () => help?.showModal();
  for (const button of all("[data-help]")) { button.hidden = false; button.addEventListener("click", show); }
  const keys = document.documentElement.dataset.keys !== "off";
  const places = { o: "/console", e: "/console/events", c: "/console/calls", m: "/console/messages", d: "/console/dead-letters", x: "/console/outbox", s: "/console/setup" };
  let going = 0;
  const step = (by) => {
    const links = all("#rows a.open, .rows a.open");
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + by, 0), links.length - 1)].focus();
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = menus()[0];
      if (menu) { menu.open = false; $("summary", menu).focus(); } else if (document.activeElement !== document.body) document.activeElement.blur();
      return;
    }
    if (!keys || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog[open]")) return;
    if (Date.now() - going < 1500 && places[event.key]) { going = 0; location.href = places[event.key]; return; }
    going = 0;
    switch (event.key) {
      case "/": $("#q")?.focus(); break;
      case "?": show(); break;
      case "j": step(1); break;
      case "k": step(-1); break;
      case "g": going = Date.now(); break;
      case "l": live?.click(); break;
      case "c": $(".command-box [data-copy]")?.click(); break;
      case "r": $("form[action$='/replay'] button")?.focus(); break;
      default: return;
    }
    event.preventDefault();
  });
})();
