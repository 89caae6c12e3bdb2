// Live previews of the campaign form: <div data-live="/address" data-watch="#part, #part">.
// The server's answer about the current form replaces the element's content. Without this file there are buttons.
(function () {
  "use strict";

  var form = document.querySelector("form[data-live-form]");
  if (!form) return;

  // The previews update automatically, so Enter saves.
  form.querySelectorAll("[data-without-scripts]").forEach(function (part) { part.remove(); });

  function follow(part) {
    var timer = null;
    var running = null;

    function show(text) {
      if (part.innerHTML === text) return;
      part.innerHTML = text;
      part.dispatchEvent(new CustomEvent("notifier:fragment", { bubbles: true }));
    }

    function say(words) {
      var note = document.createElement("p");
      note.className = "notice notice-warning";
      note.textContent = words;
      part.replaceChildren(note);
    }

    function ask() {
      if (running) running.abort();
      running = new AbortController();
      part.setAttribute("aria-busy", "true");
      fetch(part.dataset.live, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "X-Poll": "1" },
        credentials: "same-origin",
        redirect: "error",
        signal: running.signal
      })
        .then(function (answer) {
          if (answer.status === 401) { say("Your session has ended. Sign in in another tab, then continue here."); return null; }
          if (!answer.ok) throw new Error(answer.status);
          return answer.text();
        })
        .then(function (text) {
          if (text !== null) show(text);
          part.removeAttribute("aria-busy");
        })
        .catch(function (error) {
          if (error.name === "AbortError") return;
          part.removeAttribute("aria-busy");
          say("The preview is not available. Save, or try again in a moment.");
        });
    }

    form.addEventListener("input", function (event) {
      if (!event.target.closest(part.dataset.watch)) return;
      clearTimeout(timer);
      timer = setTimeout(ask, Number(part.dataset.wait) || 300);
    });
    if (part.hasAttribute("data-now")) ask();
  }

  document.querySelectorAll("[data-live]").forEach(follow);

  // Ask before a click leaves a form with unsaved input.
  var dirty = form.hasAttribute("data-dirty");
  form.addEventListener("input", function () { dirty = true; });
  form.addEventListener("submit", function () { dirty = false; });
  window.addEventListener("beforeunload", function (event) {
    if (dirty) event.preventDefault();
  });
})();
