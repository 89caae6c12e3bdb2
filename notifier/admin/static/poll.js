// Live parts: <div data-poll="/address" data-every="5">. The answer replaces the element's content.
// It polls less often while nothing changes or the server is unreachable (data-longest: at most so many seconds
// apart), not at all while the page is hidden,
// and stops at an answer that holds [data-final], or when the session is over.
(function () {
  "use strict";
  var LONGEST = 60;

  function follow(part) {
    var every = Number(part.dataset.every) || 5;
    var longest = Number(part.dataset.longest) || LONGEST;
    var pause = every;
    var last = null;
    var timer = null;
    var busy = false;

    function later() {
      clearTimeout(timer);
      if (!document.hidden) timer = setTimeout(ask, pause * 1000);
    }

    function signedOut() {
      var note = document.createElement("p");
      var link = document.createElement("a");
      note.className = "notice notice-warning";
      note.setAttribute("role", "status");
      link.href = window.location.href;
      link.textContent = "Sign in again";
      note.append("Your session has ended; this part no longer updates. ", link);
      part.prepend(note);
    }

    function show(text) {
      // Leave an element alone while a person is using it.
      if (text === last || part.contains(document.activeElement)) return false;
      last = text;
      part.innerHTML = text;
      part.dispatchEvent(new CustomEvent("notifier:fragment", { bubbles: true }));
      return true;
    }

    function ask() {
      if (busy) return;
      busy = true;
      fetch(part.dataset.poll, { headers: { "X-Poll": "1" }, credentials: "same-origin", redirect: "error" })
        .then(function (answer) {
          if (answer.status === 401) { signedOut(); return null; }
          if (!answer.ok) throw new Error(answer.status);
          return answer.text();
        })
        .then(function (text) {
          busy = false;
          if (text === null) return;
          pause = show(text) ? every : Math.min(pause * 1.5, longest);
          if (!part.querySelector("[data-final]")) later();
        })
        .catch(function () {
          busy = false;
          pause = Math.min(pause * 2, longest);
          later();
        });
    }

    document.addEventListener("visibilitychange", function () {
      if (document.hidden) { clearTimeout(timer); return; }
      if (part.querySelector("[data-final]")) return;
      pause = every;
      ask();
    });
    if (!part.querySelector("[data-final]")) later();
  }

  document.querySelectorAll("[data-poll]").forEach(follow);
})();
