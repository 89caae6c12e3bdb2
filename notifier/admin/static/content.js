// The content page: the preview follows the input. Without this file a button shows it.
(function () {
  "use strict";
  var form = document.querySelector("form[data-content]");
  if (!form) return;
  var button = form.querySelector("[data-show]");
  var timer = null;
  var coming = null;
  var count = 0;

  // A new frame replaces the old one once it has loaded: no flash, no entry in the history.
  function show() {
    if (coming) coming.remove();
    var old = form.querySelector("iframe");
    var fresh = old.cloneNode(false);
    fresh.removeAttribute("src");
    // A frame keeps the name that it was created with.
    fresh.name = button.formTarget = "content-preview-" + (count += 1);
    fresh.classList.add("w-coming");
    coming = fresh;
    old.after(fresh);
    form.requestSubmit(button);
    fresh.addEventListener("load", function () {
      if (fresh !== coming) return;
      fresh.classList.remove("w-coming");
      old.remove();
      coming = null;
    });
  }

  function later(pause) {
    clearTimeout(timer);
    timer = setTimeout(show, pause);
  }

  form.addEventListener("input", function (event) {
    if (event.target.name === "note") return;
    later(event.target.name === "view" ? 0 : 700);
  });

  // A second click must not save a second time.
  form.addEventListener("submit", function (event) {
    if (!event.submitter || !event.submitter.hasAttribute("data-save")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    clearTimeout(timer);
    setTimeout(function () { delete form.dataset.sent; }, 5000);
  });

  if (form.hasAttribute("data-dirty")) show();
})();
