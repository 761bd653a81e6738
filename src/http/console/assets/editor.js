// The flow editor's script. Everything works without it; it puts places into words, and asks before typed work is left.
"use strict";
(() => {
  let words, typed = false, sent = false;
  for (const form of document.querySelectorAll("form[data-editor]")) {
    form.addEventListener("input", () => { typed = true; });
    form.addEventListener("submit", () => { sent = true; });
    form.addEventListener("focusin", (event) => {
      if (event.target.matches("textarea:not([spellcheck])")) { words = event.target; for (const button of document.querySelectorAll("[data-insert]")) button.disabled = false; }
    });
  }
  for (const button of document.querySelectorAll("[data-insert]")) {
    button.addEventListener("click", () => { words.focus(); words.setRangeText(button.dataset.insert, words.selectionStart, words.selectionEnd, "end"); typed = true; });
  }
  addEventListener("beforeunload", (event) => { if (typed && !sent) event.preventDefault(); });
})();
