// The phone of a line's page: a press is sent, and the new state put in its place, without leaving the page.
"use strict";
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const say = (text) => { const said = $("#said"); if (said) said.textContent = text; };
  // The beginning of what was answered last, as far as that can be at the top.
  const end = () => {
    const talk = $("#phone .talk"), last = talk && all(".turn", talk).pop();
    if (last) talk.scrollTop = last.offsetTop - talk.offsetTop - 8;
  };
  let busy = false;

  // The same thing in the new page: a button by its value, a field by its name; else what can be done first.
  const focus = (card, pressed, field) => {
    const again = pressed && all("button", card).find((button) => button.value === pressed && !button.disabled);
    const named = field && $(`input[name="${field}"]:not([type=hidden])`, card);
    const first = $(".keypad button:not([disabled]), .deeds button, button.dial, input[name=body]", card);
    (named || again || first)?.focus({ preventScroll: true });
  };

  const send = async (form, button) => {
    const card = form.closest("[data-phone]");
    const data = new URLSearchParams(new FormData(form, button));
    const before = all(".turn", card).length;
    const field = document.activeElement?.name;
    busy = true;
    card.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: data, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById(card.id);
      if (!next) { location.reload(); return; }
      const fresh = document.importNode(next, true);
      all(".turn", fresh).slice(before).forEach((turn) => turn.classList.add("came"));
      card.replaceWith(fresh);
      if (answer.redirected) history.replaceState(null, "", answer.url);
      end();
      focus(fresh, button?.value, field);
      const heard = all(".turn.came .said", fresh).map((said) => said.textContent).join(" ");
      say(heard || $(".notice span", fresh)?.textContent || "");
    } catch {
      card.removeAttribute("aria-busy");
      say("The service does not answer.");
    }
    busy = false;
  };

  addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.closest("[data-phone]")) return;
    event.preventDefault();
    if (!busy) send(form, event.submitter);
  });

  // The keys of a keyboard are keys of the phone, while the phone has the focus.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !/^[0-9*#]$/.test(event.key)) return;
    if (document.documentElement.dataset.keys === "off" || event.target.closest("input") || !event.target.closest("#phone")) return;
    const key = all("#phone .keypad button:not([disabled])").find((button) => button.value === `press:${event.key}`);
    if (key) { event.preventDefault(); key.click(); }
  });

  end();
})();
