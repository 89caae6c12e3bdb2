// Comfort only: every page works without this file.
(function () {
  "use strict";

  // What the browser knows about its user, so that reports come in the morning of their time zone.
  var known = {
    locale: function () { return navigator.language || ""; },
    timezone: function () { return Intl.DateTimeFormat().resolvedOptions().timeZone || ""; },
  };
  document.querySelectorAll("[data-fill]").forEach(function (input) {
    try {
      input.value = input.value || known[input.dataset.fill]();
    } catch (error) {
      // The server has its defaults.
    }
  });

  var summary = document.querySelector("[data-focus]");
  if (summary) summary.focus();

  // A second click must not send the form a second time.
  document.querySelectorAll("form[data-once]").forEach(function (form) {
    form.addEventListener("submit", function (event) {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      setTimeout(function () { delete form.dataset.sent; }, 5000);
    });
  });
  // Coming back with the Back button brings the page as it was left.
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-once]").forEach(function (form) { delete form.dataset.sent; });
  });
})();
