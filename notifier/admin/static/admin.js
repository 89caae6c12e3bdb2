// Conveniences: every page works without this file. One listener on the document serves all of them.
(function () {
  "use strict";

  // A link with a question: the page behind it is shown as a dialog. Without scripts it is a page.
  function openDialog(link) {
    var dialog = document.querySelector("[data-dialog-frame]");
    if (!dialog || !dialog.showModal) return false;
    fetch(link.href, { credentials: "same-origin", redirect: "error" })
      .then(function (answer) {
        if (!answer.ok) throw new Error(answer.status);
        return answer.text();
      })
      .then(function (text) {
        var form = new DOMParser().parseFromString(text, "text/html").querySelector("[data-confirm]");
        if (!form) throw new Error("no form");
        dialog.replaceChildren(document.adoptNode(form));
        dialog.showModal();
        var first = dialog.querySelector("input:not([type=hidden]), button");
        if (first) first.focus();
        dialog.addEventListener("close", function () { link.focus(); }, { once: true });
      })
      .catch(function () { window.location.assign(link.href); });
    return true;
  }

  document.addEventListener("click", function (event) {
    var target = event.target.closest("[data-dialog], [data-close]");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    var dialog = target.closest("dialog");
    if (target.hasAttribute("data-close")) {
      if (!dialog) return;
      event.preventDefault();
      dialog.close();
    } else if (openDialog(target)) {
      event.preventDefault();
    }
  });

  // A second click must not send the form a second time.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.hasAttribute("data-once")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(function () { delete form.dataset.sent; }, 5000);
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-once]").forEach(function (form) { delete form.dataset.sent; });
  });

  // Scroll a chart that is wider than the screen to today.
  document.querySelectorAll("[data-scroll-end]").forEach(function (part) { part.scrollLeft = part.scrollWidth; });

  // Add the viewer's local time to the tooltip of every moment.
  function localTimes(root) {
    root.querySelectorAll("time[datetime]").forEach(function (time) {
      var moment = new Date(time.dateTime);
      if (isNaN(moment) || time.dataset.local) return;
      time.dataset.local = "yes";
      if (time.hasAttribute("data-here")) {
        here(time, moment);
        return;
      }
      time.title = (time.title ? time.title + " · " : "") + moment.toLocaleString(undefined, { timeZoneName: "short" });
    });
  }
  function here(time, moment) {
    var form = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
    var beside = time.closest("[data-zone]");
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(undefined, form);
    if (!beside) return;
    // Hide the local time if it equals the time beside it.
    try {
      form.timeZone = beside.dataset.zone;
      delete form.timeZoneName;
      var there = moment.toLocaleString(undefined, form);
      delete form.timeZone;
      beside.hidden = there === moment.toLocaleString(undefined, form);
    } catch (unknownZone) { beside.hidden = false; }
  }
  localTimes(document);
  document.addEventListener("notifier:fragment", function (event) { localTimes(event.target); });
})();
