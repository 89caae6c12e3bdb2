"""All commands of `notifier`: the module of each, and the first sentence of its help.

Known without an import; a test compares them with the commands themselves.
"""

from notifier.cli.lazy import Lazy

COMMANDS = {
    "up": Lazy("notifier.cli.up:up", "Start everything on this machine, until Ctrl-C."),
    "db": Lazy("notifier.cli.data:database", "Manage the schema of the database."),
    "operator": Lazy("notifier.cli.operators:operator", "Manage the people who may sign in to the admin."),
    "apikey": Lazy("notifier.cli.api_keys:apikey", "Manage the keys of programs that use the HTTP API."),
    "person": Lazy("notifier.cli.people:person", "Manage the people who get email."),
    "users": Lazy(
        "notifier.cli.users:users",
        "Import people, or compare them with the users of the application that embeds notifier.",
    ),
    "seed": Lazy("notifier.cli.data:seed", "Add made-up users at reserved domains."),
    "outbox": Lazy("notifier.cli.data:outbox", "Manage waiting emails."),
    "campaign": Lazy("notifier.cli.campaign_group:campaign", "Manage campaigns: scheduled emails to many recipients."),
    "tick": Lazy("notifier.cli.campaign_runs:tick", "Run the scheduler once, in this process."),
    "plan": Lazy("notifier.cli.explain:plan_", "Show what a run of NAME would do."),
    "why": Lazy("notifier.cli.explain:why_", "Explain why EMAIL gets each campaign and single email or not."),
    "simulate": Lazy("notifier.cli.explain:simulate_", "List all upcoming runs, with daylight-saving changes marked."),
    "audit": Lazy("notifier.cli.audit:audit_", "Check that the counts add up and match an inbox."),
    "repair": Lazy("notifier.cli.audit:repair_", "Send only to people whom a run missed."),
    "restore": Lazy("notifier.cli.restore:restore", "Prevent sending emails twice after a backup was restored."),
    "unknown": Lazy("notifier.cli.unknown:unknown", "Handle emails whose delivery is uncertain."),
    "bounces": Lazy("notifier.cli.bounces:bounces", "Understand emails that came back."),
    "suppressions": Lazy("notifier.cli.suppressions:suppressions", "Manage addresses that get no email."),
    "webhooks": Lazy("notifier.cli.webhooks:webhooks", "Tell other applications what happened."),
    "status": Lazy(
        "notifier.cli.status:status",
        "Say on one screen whether email goes out, how late, whose, what changed, and how to stop it.",
    ),
    "alerts": Lazy("notifier.cli.alerts:alerts", "Tell operators when something is wrong, and when it is well again."),
    "health": Lazy("notifier.cli.data:health", "Check everything that sending depends on."),
    "alive": Lazy("notifier.cli.alive:alive", "Check one process."),
    "doctor": Lazy(
        "notifier.cli.doctor:doctor", "Check the sender, DNS, the emails as built, and what receivers answer."
    ),
    "check-dns": Lazy("notifier.cli.doctor:check_dns", "Do the same as doctor."),
}

#: Commands that do something else in an application that embeds us.
INSIDE = {
    "up": Lazy("notifier.cli.up_inside:up", "Start what sends the emails of this application, until Ctrl-C."),
}

#: Commands that make no sense in an application that embeds us, and what to do there instead.
REFUSED_INSIDE = {
    "db": "The tables of notifier belong to your application's database: upgrade them in a revision of your own with "
    "notifier.migrations.upgrade. For the default campaigns, run: flask notifier campaign load",
    "seed": "`seed` adds people who signed up with notifier. Here, add users to your application: they become people.",
}

#: Those of `notifier campaign`.
CAMPAIGN = {
    "list": Lazy("notifier.cli.campaign_list:list_", "List all campaigns."),
    "show": Lazy("notifier.cli.campaign:show_", "Show one campaign with its newest runs."),
    "create": Lazy("notifier.cli.campaign:create_", "Create the campaign NAME."),
    "edit": Lazy("notifier.cli.campaign:edit_", "Change the campaign NAME, effective within 30 seconds."),
    "load": Lazy("notifier.cli.campaign:load_", "Add the default campaigns that are missing."),
    "run": Lazy("notifier.cli.campaign_runs:run", "Run NAME."),
    "pause": Lazy("notifier.cli.campaign_runs:pause", "Pause NAME and its open runs, within one batch."),
    "resume": Lazy("notifier.cli.campaign_runs:resume", "Resume NAME and its runs."),
    "move": Lazy("notifier.cli.campaign_runs:move", "Give waiting emails of NAME the newest content."),
    "cancel": Lazy(
        "notifier.cli.campaign_runs:cancel", "Cancel the open runs of NAME: emails not sent yet are never sent."
    ),
}

#: Those of `notifier users`.
USERS = {
    "check": Lazy("notifier.cli.users:check", "Compare all users with the people here."),
    "sync": Lazy("notifier.cli.users:sync", "Make the people here equal to the users of the application."),
    "import": Lazy(
        "notifier.cli.users_import:import_", "Add and change people by a CSV file, or by - for standard input."
    ),
}

#: Those of `notifier bounces`.
BOUNCES = {
    "classify": Lazy(
        "notifier.cli.bounces:classify", "Tell bounces, complaints and automatic replies apart, and what they say."
    ),
    "read": Lazy("notifier.cli.bounces_read:read", "Store what came back, and suppress addresses that are dead."),
    "listen": Lazy(
        "notifier.cli.bounces_listen:listen", "Accept what comes back by LMTP or SMTP, until SIGTERM or Ctrl-C."
    ),
}

#: Those of `notifier suppressions`.
SUPPRESSIONS = {
    "rejudge": Lazy(
        "notifier.cli.suppressions:rejudge", "Judge the replies that suppressed addresses by today's rules."
    ),
    "import": Lazy(
        "notifier.cli.suppressions_import:import_",
        "Add the suppressions and opt-outs of another system by its FILE, or by - for standard input.",
    ),
}

#: Those of `notifier alerts`.
ALERTS = {
    "watch": Lazy("notifier.cli.alerts:watch", "Check everything again and again, until SIGTERM or Ctrl-C."),
    "test": Lazy("notifier.cli.alerts:test", "Send a test to all operators, by email and to the webhook."),
}

#: Those of `notifier webhooks`.
WEBHOOKS = {
    "list": Lazy("notifier.cli.webhooks:list_", "List all endpoints."),
    "add": Lazy("notifier.cli.webhooks:add", "Add the endpoint URL, and show its secret once."),
    "change": Lazy("notifier.cli.webhooks:change", "Change which events the endpoint ID gets from now on."),
    "rotate": Lazy(
        "notifier.cli.webhooks:rotate",
        "Give the endpoint ID a new secret, and show it once; the old one signs as well for a day.",
    ),
    "test": Lazy("notifier.cli.webhooks:test", "Call the endpoint ID now, from here, and show its answer."),
    "replay": Lazy(
        "notifier.cli.webhooks:replay",
        "Send events again to the endpoint ID: those that failed, and those that it missed while it was disabled.",
    ),
    "enable": Lazy("notifier.cli.webhooks:enable", "Send to the endpoint ID again, first what waited."),
    "disable": Lazy(
        "notifier.cli.webhooks:disable", "Send nothing to the endpoint ID from now on; the feed keeps what it misses."
    ),
    "remove": Lazy("notifier.cli.webhooks:remove", "Delete the endpoint ID and the record of what it was sent."),
}
