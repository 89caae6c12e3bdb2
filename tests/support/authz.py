"""For whom every rule of the URL map is. A new rule fails the tests until it stands here."""

from notifier.models import Role

#: The forms and links of the public pages, and the way into the admin.
EVERYONE = {
    "web.index", "signup.signup", "signup.check_inbox", "signup.resend", "web.verify", "web.confirm", "web.static",
    "not_me.look", "not_me.end_account", "not_me.take_back",
    "consent.look", "consent.unsubscribe", "consent.undo", "consent.choose", "consent.save",
    "operator_link.form", "operator_link.use",
    "health.healthz", "health.livez", "health.readyz", "metrics.scrape", "inbound.receive", "admin_assets.static",
    "sign_in.form", "sign_in.check", "sign_in.code_form", "sign_in.check_code", "sign_in.sign_out",
}  # fmt: skip

VIEWERS = {
    "admin.index", "admin.now",
    "admin_account.index", "admin_account.password", "admin_account.recovery_codes", "admin_account.second_factor",
    "admin_account.enable", "admin_account.disable", "admin_account.elsewhere",
    "admin_audit.index", "admin_campaigns.index", "admin_campaigns.campaign", "admin_failures.index",
    "admin_health.index", "admin_health.banner", "admin_held.index", "admin_held.now",
    "admin_jobs.index", "admin_notifications.index", "admin_notifications.detail",
    "admin_notifications.mail", "admin_people.index", "admin_people.person", "admin_queue.index", "admin_queue.now",
    "admin_runs.index", "admin_runs.run", "admin_runs.progress", "admin_runs.came_back", "admin_suppressions.index",
    "admin_tasks.index", "admin_search.index", "admin_people.receipt", "admin_people.receipt_file",
    "admin_uncertain.index", "admin_unassigned.index", "admin_webhooks.index",
    "admin_webhook_endpoints.index", "admin_webhook_endpoints.one",
    "admin_content.index", "admin_content.campaign", "admin_content.look",
    "admin_content.versions",
}  # fmt: skip

EDITORS = {
    "admin_notifications.export", "admin_notifications.ask", "admin_notifications.decide",
    "admin_people.export", "admin_people.export_one", "admin_people.verification", "admin_people.ask_address",
    "admin_people.address", "admin_people.ask_preferences", "admin_people.preferences", "admin_people.ask_suppress",
    "admin_people.suppress", "admin_suppressions.export", "admin_suppressions.add",
    "admin_suppressions.ask_lift", "admin_suppressions.lift",
    "admin_campaigns.choose_kind", "admin_campaigns.create", "admin_campaigns.edit", "admin_campaigns.save",
    "admin_campaigns.preview_schedule", "admin_campaigns.preview_audience", "admin_campaigns.pause",
    "admin_campaigns.resume", "admin_campaigns.ask_archive", "admin_campaigns.archive", "admin_campaigns.plan",
    "admin_campaigns.run", "admin_campaigns.ask_resume", "admin_runs.pause", "admin_runs.resume",
    "admin_runs.ask_cancel", "admin_runs.cancel", "admin_runs.ask_resume", "admin_runs.ask_move", "admin_runs.move",
    "admin_runs.ask_repair", "admin_runs.repair",
    "admin_uncertain.ask", "admin_uncertain.decide",
    "admin_webhook_endpoints.test", "admin_webhook_endpoints.enable", "admin_webhook_endpoints.disable",
    "admin_webhook_endpoints.replay", "admin_webhook_endpoints.replay_one",
    "admin_unassigned.ask_assign", "admin_unassigned.assign", "admin_unassigned.ask_dismiss",
    "admin_unassigned.dismiss", "admin_unassigned.ask_dismiss_older", "admin_unassigned.dismiss_older",
    "admin_content.save", "admin_content.draft", "admin_content.test", "admin_content.ask_back", "admin_content.back",
}  # fmt: skip

ADMINS = {
    "admin_people.ask_erase", "admin_people.erase", "admin_jobs.run", "admin_audit.export",
    "admin_webhook_endpoints.add", "admin_webhook_endpoints.ask_rotate", "admin_webhook_endpoints.rotate",
    "admin_webhook_endpoints.ask_remove", "admin_webhook_endpoints.remove",
    "admin_api_keys.index", "admin_api_keys.create", "admin_api_keys.ask_revoke", "admin_api_keys.revoke",
    "admin_import.index", "admin_import.preview", "admin_import.store",
    "admin_operators.index", "admin_operators.invite", "admin_operators.one", "admin_operators.role",
    "admin_operators.enable", "admin_operators.ask_disable", "admin_operators.disable",
    "admin_operators.invite_again", "admin_operators.revoke", "admin_operators.send_password_link",
    "admin_operators.send_second_factor_link",
}  # fmt: skip

#: Not there if the application that embeds ours decides who the operators are: they sign in to that one.
OF_OUR_OPERATORS = {
    name
    for name in EVERYONE | VIEWERS | ADMINS
    if name.startswith(("sign_in.", "operator_link.", "admin_account.", "admin_operators."))
}

#: Not there inside another application: people sign up with that one.
OF_OUR_SIGN_UP = {name for name in EVERYONE if name.startswith("signup.")}

#: What each role, and a visitor (None), may open.
MAY_OPEN: dict[Role | None, set[str]] = {
    None: EVERYONE,
    Role.viewer: EVERYONE | VIEWERS,
    Role.editor: EVERYONE | VIEWERS | EDITORS,
    Role.admin: EVERYONE | VIEWERS | EDITORS | ADMINS,
}

#: Values for the variable parts of addresses; `world` of tests/admin/test_authz.py has one of everything, with key 1.
ARGUMENTS = {
    "pk": 1,
    "job": "sweep",
    "decision": "again",
    "token": "x",
    "filename": "x",
    "provider": "ses",
    "event": 1,
    "form": "json",
}
