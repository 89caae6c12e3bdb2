-- The layout of migration 0015, the last before the tables got their prefix, with sample rows. Postgres.
CREATE FUNCTION public.audit_entries_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the audit log is only ever added to'; END $$;
CREATE FUNCTION public.campaign_words_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'versions of words are only ever added'; END $$;
CREATE TABLE public.account_requests (
    id bigint NOT NULL,
    action character varying(16) NOT NULL,
    email character varying(320) NOT NULL,
    identity_key character varying(400) NOT NULL,
    display_name character varying(64) NOT NULL,
    locale character varying(16) NOT NULL,
    timezone character varying(64) NOT NULL,
    network character varying(64) NOT NULL,
    known_provider boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL,
    enqueue_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.account_requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.account_requests_id_seq OWNED BY public.account_requests.id;
CREATE TABLE public.activities (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind character varying(32) NOT NULL,
    actor character varying(64) NOT NULL,
    object_key character varying(64) NOT NULL,
    object_title character varying(200) NOT NULL,
    occurred_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.activities_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.activities_id_seq OWNED BY public.activities.id;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attempts (
    id bigint NOT NULL,
    notification_id bigint NOT NULL,
    claim integer NOT NULL,
    decision character varying(16) NOT NULL,
    phase character varying(16),
    code integer,
    enhanced character varying(16),
    text character varying(500),
    at timestamp with time zone NOT NULL,
    owner character varying(64)
);
CREATE SEQUENCE public.attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.attempts_id_seq OWNED BY public.attempts.id;
CREATE TABLE public.audit_entries (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    operator_id bigint,
    actor character varying(320) NOT NULL,
    ip character varying(45) NOT NULL,
    action character varying(64) NOT NULL,
    object_type character varying(32) NOT NULL,
    object_id character varying(64) NOT NULL,
    before json NOT NULL,
    after json NOT NULL,
    person_digest character varying(64)
);
CREATE SEQUENCE public.audit_entries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_entries_id_seq OWNED BY public.audit_entries.id;
CREATE TABLE public.campaign_runs (
    id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    slot timestamp with time zone NOT NULL,
    trigger character varying(16) NOT NULL,
    state character varying(16) NOT NULL,
    reason character varying(200),
    resume_to character varying(16),
    cursor bigint NOT NULL,
    planned integer NOT NULL,
    excluded json NOT NULL,
    zone_fallbacks integer NOT NULL,
    totals json,
    deadline timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    touched_at timestamp with time zone NOT NULL,
    expanded_at timestamp with time zone,
    finished_at timestamp with time zone,
    words_id bigint,
    reason_code character varying(32),
    edition integer,
    CONSTRAINT ck_campaign_runs_state CHECK (((state)::text = ANY ((ARRAY['due'::character varying, 'expanding'::character varying, 'sending'::character varying, 'paused'::character varying, 'done'::character varying, 'cancelled'::character varying, 'missed'::character varying, 'coalesced'::character varying])::text[])))
);
CREATE SEQUENCE public.campaign_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.campaign_runs_id_seq OWNED BY public.campaign_runs.id;
CREATE TABLE public.campaign_words (
    id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    number integer NOT NULL,
    subject text NOT NULL,
    heading text NOT NULL,
    body text NOT NULL,
    author_id bigint,
    note character varying(300) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    edition integer DEFAULT 1 NOT NULL,
    language character varying(35) DEFAULT ''::character varying NOT NULL
);
CREATE SEQUENCE public.campaign_words_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.campaign_words_id_seq OWNED BY public.campaign_words.id;
CREATE TABLE public.campaigns (
    id bigint NOT NULL,
    name character varying(64) NOT NULL,
    title character varying(200) NOT NULL,
    kind character varying(64) NOT NULL,
    state character varying(16) NOT NULL,
    paused_reason character varying(200),
    cron character varying(100),
    every integer,
    once_at timestamp with time zone,
    zone character varying(64) NOT NULL,
    recipient_local boolean NOT NULL,
    start_at timestamp with time zone,
    end_at timestamp with time zone,
    next_slot timestamp with time zone,
    next_run_at timestamp with time zone,
    misfire character varying(16) NOT NULL,
    misfire_within integer,
    "coalesce" boolean NOT NULL,
    audience json NOT NULL,
    settings json NOT NULL,
    rate double precision,
    on_unknown character varying(16) NOT NULL,
    lifetime integer,
    quiet_from character varying(5),
    quiet_to character varying(5),
    capped boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    words_id bigint,
    edition integer DEFAULT 1 NOT NULL,
    prompted_at timestamp with time zone,
    CONSTRAINT ck_campaigns_misfire CHECK (((misfire)::text = ANY ((ARRAY['run_late'::character varying, 'skip'::character varying, 'within'::character varying])::text[]))),
    CONSTRAINT ck_campaigns_state CHECK (((state)::text = ANY ((ARRAY['active'::character varying, 'paused'::character varying, 'archived'::character varying])::text[])))
);
CREATE SEQUENCE public.campaigns_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.campaigns_id_seq OWNED BY public.campaigns.id;
CREATE TABLE public.consents (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    category character varying(16) NOT NULL,
    wanted boolean NOT NULL,
    frequency character varying(16),
    how character varying(16) NOT NULL,
    notification_id bigint,
    at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.consents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.consents_id_seq OWNED BY public.consents.id;
CREATE TABLE public.daily_totals (
    day date NOT NULL,
    hour smallint NOT NULL,
    status character varying(16) NOT NULL,
    mails integer NOT NULL
);
CREATE TABLE public.database_identity (
    id bigint NOT NULL,
    transaction_id bigint NOT NULL,
    database_oid bigint NOT NULL,
    noted_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.database_identity_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.database_identity_id_seq OWNED BY public.database_identity.id;
CREATE TABLE public.digest_marks (
    campaign_id bigint NOT NULL,
    user_id bigint NOT NULL,
    until timestamp with time zone NOT NULL
);
CREATE TABLE public.domain_providers (
    domain character varying(255) NOT NULL,
    provider character varying(16),
    looked_up_at timestamp with time zone NOT NULL
);
CREATE TABLE public.heartbeats (
    name character varying(32) NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.notifications (
    id bigint NOT NULL,
    kind character varying(64) NOT NULL,
    user_id bigint,
    recipient character varying(320) NOT NULL,
    dedupe_key character varying(255) NOT NULL,
    params json NOT NULL,
    bulk boolean NOT NULL,
    on_unknown character varying(16) NOT NULL,
    status character varying(16) NOT NULL,
    reason character varying(200),
    claims integer NOT NULL,
    attempts integer NOT NULL,
    unknowns integer NOT NULL,
    next_attempt_at timestamp with time zone NOT NULL,
    ring_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone,
    deadline timestamp with time zone,
    message_id character varying(255),
    template_version character varying(32),
    transport character varying(64),
    last_phase character varying(16),
    last_code integer,
    last_enhanced character varying(16),
    last_text character varying(500),
    created_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    settled_at timestamp with time zone,
    claimed_by character varying(64),
    campaign_id bigint,
    run_id bigint,
    words_id bigint,
    reason_code character varying(32),
    hold_key character varying(320),
    deaths integer DEFAULT 0 NOT NULL,
    CONSTRAINT ck_notifications_status CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'sending'::character varying, 'sent'::character varying, 'failed'::character varying, 'suppressed'::character varying, 'skipped'::character varying, 'unknown'::character varying, 'cancelled'::character varying, 'expired'::character varying, 'bounced'::character varying, 'complained'::character varying])::text[])))
);
CREATE SEQUENCE public.notifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.notifications_id_seq OWNED BY public.notifications.id;
CREATE TABLE public.operator_sessions (
    id bigint NOT NULL,
    operator_id bigint NOT NULL,
    token_hash character varying(64) NOT NULL,
    ip character varying(45) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.operator_sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.operator_sessions_id_seq OWNED BY public.operator_sessions.id;
CREATE TABLE public.operators (
    id bigint NOT NULL,
    email character varying(320) NOT NULL,
    identity_key character varying(400) NOT NULL,
    password_hash character varying(200) NOT NULL,
    role character varying(16) NOT NULL,
    active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    totp_secret character varying(300),
    totp_step bigint,
    CONSTRAINT ck_operators_role CHECK (((role)::text = ANY ((ARRAY['viewer'::character varying, 'editor'::character varying, 'admin'::character varying])::text[])))
);
CREATE SEQUENCE public.operators_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.operators_id_seq OWNED BY public.operators.id;
CREATE TABLE public.paces (
    key character varying(400) NOT NULL,
    until timestamp with time zone NOT NULL,
    level integer NOT NULL
);
CREATE TABLE public.preferences (
    user_id bigint NOT NULL,
    category character varying(16) NOT NULL,
    wanted boolean NOT NULL,
    frequency character varying(16),
    updated_at timestamp with time zone NOT NULL,
    wanted_since timestamp with time zone
);
CREATE TABLE public.provider_holds (
    key character varying(320) NOT NULL,
    transport character varying(64) NOT NULL,
    scope character varying(255) NOT NULL,
    held_since timestamp with time zone NOT NULL,
    phase character varying(16) NOT NULL,
    code integer,
    text character varying(500) NOT NULL,
    next_probe_at timestamp with time zone NOT NULL,
    probes integer NOT NULL
);
CREATE TABLE public.recovery_codes (
    id bigint NOT NULL,
    operator_id bigint NOT NULL,
    code_hash character varying(64) NOT NULL,
    used_at timestamp with time zone
);
CREATE SEQUENCE public.recovery_codes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.recovery_codes_id_seq OWNED BY public.recovery_codes.id;
CREATE TABLE public.signup_emails (
    notification_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    due timestamp with time zone NOT NULL,
    mailbox character varying(32) NOT NULL,
    network character varying(32) NOT NULL,
    source character varying(32),
    first boolean NOT NULL,
    slowed boolean NOT NULL
);
CREATE TABLE public.suppressions (
    id bigint NOT NULL,
    identity_key character varying(400) NOT NULL,
    reason character varying(32) NOT NULL,
    source character varying(32) NOT NULL,
    evidence character varying(500) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    until timestamp with time zone,
    link character varying(32)
);
CREATE SEQUENCE public.suppressions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.suppressions_id_seq OWNED BY public.suppressions.id;
CREATE TABLE public.task_results (
    id bigint NOT NULL,
    task_id character varying(64) NOT NULL,
    name character varying(64) NOT NULL,
    state character varying(16) NOT NULL,
    result json,
    error character varying(200),
    worker character varying(200),
    queued_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone
);
CREATE SEQUENCE public.task_results_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.task_results_id_seq OWNED BY public.task_results.id;
CREATE TABLE public.transports (
    name character varying(64) NOT NULL,
    held_since timestamp with time zone,
    phase character varying(16),
    code integer,
    text character varying(500),
    next_probe_at timestamp with time zone,
    probes integer NOT NULL,
    alerted_at timestamp with time zone,
    last_accepted_at timestamp with time zone
);
CREATE TABLE public.unrecorded_emails (
    digest character varying(16) NOT NULL,
    message_id character varying(255) NOT NULL,
    noted_at timestamp with time zone NOT NULL
);
CREATE TABLE public.users (
    id bigint NOT NULL,
    email character varying(320) NOT NULL,
    identity_key character varying(400) NOT NULL,
    display_name character varying(64) NOT NULL,
    locale character varying(16) NOT NULL,
    timezone character varying(64) NOT NULL,
    verified_at timestamp with time zone,
    link_nonce character varying(32) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    abuse_key character varying(400)
);
CREATE SEQUENCE public.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;
ALTER TABLE ONLY public.account_requests ALTER COLUMN id SET DEFAULT nextval('public.account_requests_id_seq'::regclass);
ALTER TABLE ONLY public.activities ALTER COLUMN id SET DEFAULT nextval('public.activities_id_seq'::regclass);
ALTER TABLE ONLY public.attempts ALTER COLUMN id SET DEFAULT nextval('public.attempts_id_seq'::regclass);
ALTER TABLE ONLY public.audit_entries ALTER COLUMN id SET DEFAULT nextval('public.audit_entries_id_seq'::regclass);
ALTER TABLE ONLY public.campaign_runs ALTER COLUMN id SET DEFAULT nextval('public.campaign_runs_id_seq'::regclass);
ALTER TABLE ONLY public.campaign_words ALTER COLUMN id SET DEFAULT nextval('public.campaign_words_id_seq'::regclass);
ALTER TABLE ONLY public.campaigns ALTER COLUMN id SET DEFAULT nextval('public.campaigns_id_seq'::regclass);
ALTER TABLE ONLY public.consents ALTER COLUMN id SET DEFAULT nextval('public.consents_id_seq'::regclass);
ALTER TABLE ONLY public.database_identity ALTER COLUMN id SET DEFAULT nextval('public.database_identity_id_seq'::regclass);
ALTER TABLE ONLY public.notifications ALTER COLUMN id SET DEFAULT nextval('public.notifications_id_seq'::regclass);
ALTER TABLE ONLY public.operator_sessions ALTER COLUMN id SET DEFAULT nextval('public.operator_sessions_id_seq'::regclass);
ALTER TABLE ONLY public.operators ALTER COLUMN id SET DEFAULT nextval('public.operators_id_seq'::regclass);
ALTER TABLE ONLY public.recovery_codes ALTER COLUMN id SET DEFAULT nextval('public.recovery_codes_id_seq'::regclass);
ALTER TABLE ONLY public.suppressions ALTER COLUMN id SET DEFAULT nextval('public.suppressions_id_seq'::regclass);
ALTER TABLE ONLY public.task_results ALTER COLUMN id SET DEFAULT nextval('public.task_results_id_seq'::regclass);
ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);
INSERT INTO public.account_requests VALUES (1, 'signup', 'new@example.com', 'new@example.com', '', 'en', 'UTC', '', false, '2026-11-20 12:00:00+00', 0, '2026-11-20 12:00:00+00');
INSERT INTO public.activities VALUES (1, 2, 'comment', 'Samir Torres', 'photo:2:4', 'Night train', '2026-11-11 01:14:17.452851+00');
INSERT INTO public.activities VALUES (2, 2, 'like', 'José O''Brien', 'photo:2:1', 'My first sourdough', '2026-11-17 16:58:15.518798+00');
INSERT INTO public.activities VALUES (3, 3, 'comment', 'Valentina Van', 'photo:3:4', 'Night train', '2025-10-01 16:56:16.094534+00');
INSERT INTO public.activities VALUES (4, 3, 'follow', 'Naoko Kowalski', 'photo:3:1', 'My first sourdough', '2026-06-29 11:09:01.081536+00');
INSERT INTO public.activities VALUES (5, 3, 'comment', 'Marek Becker', 'photo:3:2', 'Trip to the lakes', '2026-03-24 11:05:58.724509+00');
INSERT INTO public.activities VALUES (6, 4, 'friend_request', 'Emil Müller', 'photo:4:0', 'Sunrise over the harbour', '2026-11-20 10:11:03.84411+00');
INSERT INTO public.activities VALUES (7, 4, 'comment', 'Anders López', 'photo:4:2', 'Trip to the lakes', '2026-11-20 01:08:57.354853+00');
INSERT INTO public.activities VALUES (8, 4, 'comment', 'Uma Kim', 'photo:4:4', 'Night train', '2026-11-20 07:59:50.349854+00');
INSERT INTO public.activities VALUES (9, 4, 'comment', 'Hana Abebe', 'photo:4:1', 'My first sourdough', '2026-11-20 09:23:48.48505+00');
INSERT INTO public.activities VALUES (10, 5, 'like', 'Naoko Moreau', 'photo:5:4', 'Night train', '2026-08-20 15:39:37.972256+00');
INSERT INTO public.activities VALUES (11, 5, 'like', 'Pavel Weber', 'photo:5:4', 'Night train', '2026-08-10 05:13:50.416955+00');
INSERT INTO public.activities VALUES (12, 5, 'comment', 'Ada Kaya', 'photo:5:4', 'Night train', '2026-10-21 05:12:55.062203+00');
INSERT INTO public.activities VALUES (13, 5, 'friend_request', 'Dalia Müller', 'photo:5:4', 'Night train', '2026-10-20 08:11:31.609741+00');
INSERT INTO public.activities VALUES (14, 6, 'like', 'Rana Vega', 'photo:6:3', 'Garden in June', '2026-11-20 06:51:36.591645+00');
INSERT INTO public.alembic_version VALUES ('0015');
INSERT INTO public.attempts VALUES (1, 4, 1, 'FAIL', 'rcpt', 550, NULL, 'no such user', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.attempts VALUES (2, 5, 1, 'FAIL', 'rcpt', 550, NULL, 'no such user', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.attempts VALUES (3, 10, 1, 'FAIL', 'rcpt', 550, NULL, 'no such user', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.attempts VALUES (4, 11, 1, 'FAIL', 'rcpt', 550, NULL, 'no such user', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.audit_entries VALUES (1, '2026-11-20 12:00:00+00', 1, 'operator 1', '', 'campaign.edited', 'campaign', '1', '{"state": "paused"}', '{"state": "active"}', NULL);
INSERT INTO public.campaign_runs VALUES (1, 1, '2026-11-20 09:00:00+00', 'schedule', 'sending', NULL, NULL, 0, 3, '{"unverified": 2}', 0, NULL, NULL, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', '2026-11-20 10:00:00+00', NULL, 1, NULL, 1);
INSERT INTO public.campaign_words VALUES (1, 1, 1, 'Winter news', 'It''s cold', 'Two things
- one; two
- three', 1, 'first', '2026-11-20 12:00:00+00', 1, '');
INSERT INTO public.campaigns VALUES (2, 'monthly-report', 'Monthly report', 'monthly_report', 'active', NULL, '0 9 1 * *', NULL, NULL, 'UTC', true, NULL, NULL, '2026-12-01 09:00:00+00', '2026-12-01 01:00:00+00', 'run_late', NULL, true, '{}', '{}', NULL, 'never', NULL, NULL, NULL, true, 1, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, 1, NULL);
INSERT INTO public.campaigns VALUES (3, 'activity-digest', 'Activity digest', 'activity_digest', 'active', NULL, '0 7 * * *', NULL, NULL, 'UTC', false, NULL, NULL, '2026-11-21 07:00:00+00', '2026-11-21 07:00:00+00', 'run_late', NULL, true, '{}', '{}', NULL, 'never', NULL, '22:00', '07:00', true, 1, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, 1, NULL);
INSERT INTO public.campaigns VALUES (4, 'announcement', 'Announcement', 'announcement', 'paused', 'write its words first: notifier campaign edit announcement', NULL, NULL, NULL, 'UTC', false, NULL, NULL, NULL, NULL, 'run_late', NULL, true, '{}', '{"subject": "News from us", "heading": "News from us", "paragraphs": ["Write here what is new."]}', NULL, 'never', NULL, NULL, NULL, true, 1, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, 1, NULL);
INSERT INTO public.campaigns VALUES (1, 'verification-reminder', 'Reminder to confirm the address', 'verification_reminder', 'active', NULL, '0 10 * * *', NULL, NULL, 'UTC', true, NULL, NULL, '2026-11-21 10:00:00+00', '2026-11-20 20:00:00+00', 'within', 21600, true, '{}', '{"steps": [1, 3, 7], "not_after": 30}', NULL, 'never', NULL, NULL, NULL, false, 1, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', 1, 1, NULL);
INSERT INTO public.consents VALUES (1, 1, 'digest', true, 'weekly', 'page', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.consents VALUES (2, 2, 'digest', false, 'weekly', 'page', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.consents VALUES (3, 3, 'digest', true, 'weekly', 'page', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.consents VALUES (4, 4, 'digest', false, 'weekly', 'page', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.consents VALUES (5, 5, 'digest', true, 'weekly', 'page', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.consents VALUES (6, 6, 'digest', false, 'weekly', 'page', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.daily_totals VALUES ('2026-11-20', 11, 'sent', 4);
INSERT INTO public.digest_marks VALUES (1, 1, '2026-11-19 12:00:00+00');
INSERT INTO public.digest_marks VALUES (1, 2, '2026-11-19 12:00:00+00');
INSERT INTO public.digest_marks VALUES (1, 3, '2026-11-19 12:00:00+00');
INSERT INTO public.digest_marks VALUES (1, 4, '2026-11-19 12:00:00+00');
INSERT INTO public.digest_marks VALUES (1, 5, '2026-11-19 12:00:00+00');
INSERT INTO public.digest_marks VALUES (1, 6, '2026-11-19 12:00:00+00');
INSERT INTO public.domain_providers VALUES ('example.com', NULL, '2026-11-20 12:00:00+00');
INSERT INTO public.heartbeats VALUES ('tick', '2026-11-20 12:00:00+00');
INSERT INTO public.heartbeats VALUES ('sweep', '2026-11-20 12:00:00+00');
INSERT INTO public.notifications VALUES (1, 'verification', 1, 'seed-1@example.org', 'signup:1:after:0', '{}', false, 'resend', 'sent', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '00.abc@notifier.test', NULL, 'smtp', 'data', 250, NULL, '2.0.0 Ok: queued as 4F2', '2026-11-20 12:00:00+00', '2026-11-20 11:00:00+00', '2026-11-20 11:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (2, 'verification_reminder', 1, 'seed-1@example.org', 'c1:e1:1', '{"period": "2026-11"}', true, 'resend', 'pending', NULL, 0, 0, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00', NULL, NULL, NULL, 1, 1, 1, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (3, 'verification', 2, 'seed-2@example.org', 'signup:2:after:0', '{}', false, 'resend', 'pending', NULL, 0, 0, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (4, 'verification_reminder', 2, 'seed-2@example.org', 'c1:e1:2', '{"period": "2026-11"}', true, 'resend', 'failed', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '11.abc@notifier.test', NULL, NULL, NULL, 550, '5.1.1', 'no such user', '2026-11-20 12:00:00+00', NULL, '2026-11-20 11:00:00+00', NULL, 1, 1, 1, 'refused', NULL, 0);
INSERT INTO public.notifications VALUES (5, 'verification', 3, 'seed-3@example.org', 'signup:3:after:0', '{}', false, 'resend', 'failed', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '20.abc@notifier.test', NULL, NULL, NULL, 550, '5.1.1', 'no such user', '2026-11-20 12:00:00+00', NULL, '2026-11-20 11:00:00+00', NULL, NULL, NULL, NULL, 'refused', NULL, 0);
INSERT INTO public.notifications VALUES (6, 'verification_reminder', 3, 'seed-3@example.org', 'c1:e1:3', '{"period": "2026-11"}', true, 'resend', 'sent', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '21.abc@notifier.test', NULL, 'smtp', 'data', 250, NULL, '2.0.0 Ok: queued as 4F2', '2026-11-20 12:00:00+00', '2026-11-20 11:00:00+00', '2026-11-20 11:00:00+00', NULL, 1, 1, 1, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (7, 'verification', 4, 'seed-4@example.org', 'signup:4:after:0', '{}', false, 'resend', 'sent', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '30.abc@notifier.test', NULL, 'smtp', 'data', 250, NULL, '2.0.0 Ok: queued as 4F2', '2026-11-20 12:00:00+00', '2026-11-20 11:00:00+00', '2026-11-20 11:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (8, 'verification_reminder', 4, 'seed-4@example.org', 'c1:e1:4', '{"period": "2026-11"}', true, 'resend', 'unknown', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '31.abc@notifier.test', NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00', NULL, '2026-11-20 11:00:00+00', NULL, 1, 1, 1, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (9, 'verification', 5, 'seed-5@example.com', 'signup:5:after:0', '{}', false, 'resend', 'unknown', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '40.abc@notifier.test', NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-20 12:00:00+00', NULL, '2026-11-20 11:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO public.notifications VALUES (10, 'verification_reminder', 5, 'seed-5@example.com', 'c1:e1:5', '{"period": "2026-11"}', true, 'resend', 'bounced', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '41.abc@notifier.test', NULL, NULL, NULL, 550, '5.1.1', 'no such user', '2026-11-20 12:00:00+00', NULL, '2026-11-20 11:00:00+00', NULL, 1, 1, 1, 'refused', NULL, 0);
INSERT INTO public.notifications VALUES (11, 'verification', 6, 'seed-6@example.net', 'signup:6:after:0', '{}', false, 'resend', 'bounced', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '50.abc@notifier.test', NULL, NULL, NULL, 550, '5.1.1', 'no such user', '2026-11-20 12:00:00+00', NULL, '2026-11-20 11:00:00+00', NULL, NULL, NULL, NULL, 'refused', NULL, 0);
INSERT INTO public.notifications VALUES (12, 'verification_reminder', 6, 'seed-6@example.net', 'c1:e1:6', '{"period": "2026-11"}', true, 'resend', 'sent', NULL, 1, 1, 0, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', NULL, NULL, '51.abc@notifier.test', NULL, 'smtp', 'data', 250, NULL, '2.0.0 Ok: queued as 4F2', '2026-11-20 12:00:00+00', '2026-11-20 11:00:00+00', '2026-11-20 11:00:00+00', NULL, 1, 1, 1, NULL, NULL, 0);
INSERT INTO public.operator_sessions VALUES (1, 1, '0000000000000000000000000000000000000000000000000000000000000000', '192.0.2.7', '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00');
INSERT INTO public.operators VALUES (1, 'boss@example.com', 'boss@example.com', '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$invalid', 'admin', true, '2026-11-20 12:00:00+00', NULL, NULL);
INSERT INTO public.preferences VALUES (1, 'digest', true, 'weekly', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.preferences VALUES (2, 'digest', false, 'weekly', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.preferences VALUES (3, 'digest', true, 'weekly', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.preferences VALUES (4, 'digest', false, 'weekly', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.preferences VALUES (5, 'digest', true, 'weekly', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.preferences VALUES (6, 'digest', false, 'weekly', '2026-11-20 12:00:00+00', NULL);
INSERT INTO public.recovery_codes VALUES (1, 1, '1111111111111111111111111111111111111111111111111111111111111111', NULL);
INSERT INTO public.signup_emails VALUES (1, '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', 'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm', 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn', NULL, true, false);
INSERT INTO public.suppressions VALUES (1, 'gone@example.com', 'hard_bounce', 'smtp', '550 5.1.1 no such user', '2026-11-20 12:00:00+00', NULL, NULL);
INSERT INTO public.task_results VALUES (1, 't1', 'notifier.tick', 'SUCCESS', '{"runs": 1}', NULL, NULL, '2026-11-20 12:00:00+00', NULL, NULL);
INSERT INTO public.transports VALUES ('smtp', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL);
INSERT INTO public.users VALUES (1, 'seed-1@example.org', 'seed-1@example.org', 'Darya Novák', 'nl', 'Asia/Shanghai', NULL, 'xLY1wqsyLSUW6-ZvZqYsGg', '2025-06-14 06:07:05.510966+00', 'seed-1@example.org');
INSERT INTO public.users VALUES (2, 'seed-2@example.org', 'seed-2@example.org', 'Quentin Petrov', 'sv', 'Asia/Kathmandu', '2026-08-08 12:46:58.024235+00', '7JsbSpYtucsicSYQSh0G5w', '2026-08-07 07:13:58.024235+00', 'seed-2@example.org');
INSERT INTO public.users VALUES (3, 'seed-3@example.org', 'seed-3@example.org', 'Wanjiru', 'tr', 'Europe/Paris', '2025-09-17 18:37:23.618912+00', 'gpFTStLKAjvhj8tm_rVATQ', '2025-09-16 20:56:23.618912+00', 'seed-3@example.org');
INSERT INTO public.users VALUES (4, 'seed-4@example.org', 'seed-4@example.org', 'Anders', 'it', 'UTC', '2026-11-20 12:00:00+00', '-WrzqM4MGyGUZek4F_lzhw', '2026-11-20 00:39:21.39456+00', 'seed-4@example.org');
INSERT INTO public.users VALUES (5, 'seed-5@example.com', 'seed-5@example.com', 'Goran Singh', 'fr', 'America/Los_Angeles', '2026-07-04 20:00:05.006379+00', 'FYYpuUPIveYeGuY4LJZOTg', '2026-07-03 12:37:05.006379+00', 'seed-5@example.com');
INSERT INTO public.users VALUES (6, 'seed-6@example.net', 'seed-6@example.net', 'Kaito Yildiz', 'de', 'Africa/Lagos', NULL, '8eGg0CWAjDrs7U7JN4xSJw', '2026-11-20 03:54:32.881623+00', 'seed-6@example.net');
SELECT pg_catalog.setval('public.account_requests_id_seq', 1, true);
SELECT pg_catalog.setval('public.activities_id_seq', 14, true);
SELECT pg_catalog.setval('public.attempts_id_seq', 4, true);
SELECT pg_catalog.setval('public.audit_entries_id_seq', 1, true);
SELECT pg_catalog.setval('public.campaign_runs_id_seq', 1, true);
SELECT pg_catalog.setval('public.campaign_words_id_seq', 1, true);
SELECT pg_catalog.setval('public.campaigns_id_seq', 4, true);
SELECT pg_catalog.setval('public.consents_id_seq', 6, true);
SELECT pg_catalog.setval('public.database_identity_id_seq', 1, false);
SELECT pg_catalog.setval('public.notifications_id_seq', 12, true);
SELECT pg_catalog.setval('public.operator_sessions_id_seq', 1, true);
SELECT pg_catalog.setval('public.operators_id_seq', 1, true);
SELECT pg_catalog.setval('public.recovery_codes_id_seq', 1, true);
SELECT pg_catalog.setval('public.suppressions_id_seq', 1, true);
SELECT pg_catalog.setval('public.task_results_id_seq', 1, true);
SELECT pg_catalog.setval('public.users_id_seq', 6, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.account_requests
    ADD CONSTRAINT pk_account_requests PRIMARY KEY (id);
ALTER TABLE ONLY public.activities
    ADD CONSTRAINT pk_activities PRIMARY KEY (id);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT pk_attempts PRIMARY KEY (id);
ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT pk_audit_entries PRIMARY KEY (id);
ALTER TABLE ONLY public.campaign_runs
    ADD CONSTRAINT pk_campaign_runs PRIMARY KEY (id);
ALTER TABLE ONLY public.campaign_words
    ADD CONSTRAINT pk_campaign_words PRIMARY KEY (id);
ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT pk_campaigns PRIMARY KEY (id);
ALTER TABLE ONLY public.consents
    ADD CONSTRAINT pk_consents PRIMARY KEY (id);
ALTER TABLE ONLY public.daily_totals
    ADD CONSTRAINT pk_daily_totals PRIMARY KEY (day, hour, status);
ALTER TABLE ONLY public.database_identity
    ADD CONSTRAINT pk_database_identity PRIMARY KEY (id);
ALTER TABLE ONLY public.digest_marks
    ADD CONSTRAINT pk_digest_marks PRIMARY KEY (campaign_id, user_id);
ALTER TABLE ONLY public.domain_providers
    ADD CONSTRAINT pk_domain_providers PRIMARY KEY (domain);
ALTER TABLE ONLY public.heartbeats
    ADD CONSTRAINT pk_heartbeats PRIMARY KEY (name);
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT pk_notifications PRIMARY KEY (id);
ALTER TABLE ONLY public.operator_sessions
    ADD CONSTRAINT pk_operator_sessions PRIMARY KEY (id);
ALTER TABLE ONLY public.operators
    ADD CONSTRAINT pk_operators PRIMARY KEY (id);
ALTER TABLE ONLY public.paces
    ADD CONSTRAINT pk_paces PRIMARY KEY (key);
ALTER TABLE ONLY public.preferences
    ADD CONSTRAINT pk_preferences PRIMARY KEY (user_id, category);
ALTER TABLE ONLY public.provider_holds
    ADD CONSTRAINT pk_provider_holds PRIMARY KEY (key);
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT pk_recovery_codes PRIMARY KEY (id);
ALTER TABLE ONLY public.signup_emails
    ADD CONSTRAINT pk_signup_emails PRIMARY KEY (notification_id);
ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT pk_suppressions PRIMARY KEY (id);
ALTER TABLE ONLY public.task_results
    ADD CONSTRAINT pk_task_results PRIMARY KEY (id);
ALTER TABLE ONLY public.transports
    ADD CONSTRAINT pk_transports PRIMARY KEY (name);
ALTER TABLE ONLY public.unrecorded_emails
    ADD CONSTRAINT pk_unrecorded_emails PRIMARY KEY (digest);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);
ALTER TABLE ONLY public.campaign_runs
    ADD CONSTRAINT uq_campaign_runs_campaign_id_slot UNIQUE (campaign_id, slot);
ALTER TABLE ONLY public.campaign_words
    ADD CONSTRAINT uq_campaign_words_campaign_id_number UNIQUE (campaign_id, number);
ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT uq_campaigns_name UNIQUE (name);
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT uq_notifications_dedupe_key UNIQUE (dedupe_key);
ALTER TABLE ONLY public.operator_sessions
    ADD CONSTRAINT uq_operator_sessions_token_hash UNIQUE (token_hash);
ALTER TABLE ONLY public.operators
    ADD CONSTRAINT uq_operators_identity_key UNIQUE (identity_key);
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT uq_recovery_codes_operator_id_code_hash UNIQUE (operator_id, code_hash);
ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT uq_suppressions_identity_key UNIQUE (identity_key);
ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT uq_suppressions_link UNIQUE (link);
ALTER TABLE ONLY public.task_results
    ADD CONSTRAINT uq_task_results_task_id UNIQUE (task_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_identity_key UNIQUE (identity_key);
CREATE INDEX ix_account_requests_enqueue_at ON public.account_requests USING btree (enqueue_at);
CREATE INDEX ix_account_requests_identity_key ON public.account_requests USING btree (identity_key, id);
CREATE INDEX ix_activities_user_id_occurred_at ON public.activities USING btree (user_id, occurred_at);
CREATE INDEX ix_attempts_notification_id ON public.attempts USING btree (notification_id);
CREATE INDEX ix_attempts_owner_at ON public.attempts USING btree (owner, at) WHERE (owner IS NOT NULL);
CREATE INDEX ix_audit_entries_action_id ON public.audit_entries USING btree (action, id);
CREATE INDEX ix_audit_entries_at ON public.audit_entries USING btree (at);
CREATE INDEX ix_audit_entries_object_type_object_id_id ON public.audit_entries USING btree (object_type, object_id, id);
CREATE INDEX ix_audit_entries_operator_id_id ON public.audit_entries USING btree (operator_id, id);
CREATE INDEX ix_audit_entries_person_digest_id ON public.audit_entries USING btree (person_digest, id) WHERE (person_digest IS NOT NULL);
CREATE INDEX ix_campaign_runs_open ON public.campaign_runs USING btree (state, touched_at) WHERE ((state)::text = ANY ((ARRAY['due'::character varying, 'expanding'::character varying, 'paused'::character varying, 'sending'::character varying])::text[]));
CREATE INDEX ix_campaigns_due ON public.campaigns USING btree (next_run_at) WHERE ((state)::text = 'active'::text);
CREATE INDEX ix_consents_user_id_id ON public.consents USING btree (user_id, id);
CREATE INDEX ix_domain_providers_looked_up_at ON public.domain_providers USING btree (looked_up_at);
CREATE INDEX ix_notifications_failed_settled_at ON public.notifications USING btree (settled_at) WHERE ((status)::text = ANY ((ARRAY['failed'::character varying, 'bounced'::character varying, 'complained'::character varying])::text[]));
CREATE INDEX ix_notifications_hold_key_status ON public.notifications USING btree (hold_key, status) WHERE (hold_key IS NOT NULL);
CREATE INDEX ix_notifications_pending_ring_at ON public.notifications USING btree (ring_at) WHERE ((status)::text = 'pending'::text);
CREATE INDEX ix_notifications_run_id_status_id ON public.notifications USING btree (run_id, status, id) WHERE (run_id IS NOT NULL);
CREATE INDEX ix_notifications_sending_lease_until ON public.notifications USING btree (lease_until) WHERE ((status)::text = 'sending'::text);
CREATE INDEX ix_notifications_settled_at ON public.notifications USING btree (settled_at) WHERE (settled_at IS NOT NULL);
CREATE INDEX ix_notifications_status_id ON public.notifications USING btree (status, id);
CREATE INDEX ix_notifications_user_id_kind_id ON public.notifications USING btree (user_id, kind, id);
CREATE INDEX ix_notifications_waiting ON public.notifications USING btree (bulk, run_id, id) WHERE (((status)::text = 'pending'::text) AND ((reason_code)::text = 'rate_limited'::text));
CREATE INDEX ix_operator_sessions_operator_id ON public.operator_sessions USING btree (operator_id);
CREATE INDEX ix_signup_emails_at ON public.signup_emails USING btree (at);
CREATE INDEX ix_signup_emails_mailbox_at ON public.signup_emails USING btree (mailbox, at);
CREATE INDEX ix_signup_emails_slowed_due ON public.signup_emails USING btree (slowed, due);
CREATE INDEX ix_signup_emails_source_due ON public.signup_emails USING btree (source, due);
CREATE INDEX ix_task_results_name_id ON public.task_results USING btree (name, id);
CREATE INDEX ix_task_results_queued_at ON public.task_results USING btree (queued_at);
CREATE INDEX ix_task_results_state_id ON public.task_results USING btree (state, id);
CREATE INDEX ix_users_abuse_key ON public.users USING btree (abuse_key, id);
CREATE INDEX ix_users_unverified ON public.users USING btree (created_at, id);
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE ON public.audit_entries FOR EACH STATEMENT EXECUTE FUNCTION public.audit_entries_refuse();
CREATE TRIGGER campaign_words_append_only BEFORE UPDATE ON public.campaign_words FOR EACH STATEMENT EXECUTE FUNCTION public.campaign_words_refuse();
ALTER TABLE ONLY public.activities
    ADD CONSTRAINT fk_activities_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT fk_attempts_notification_id_notifications FOREIGN KEY (notification_id) REFERENCES public.notifications(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.campaign_runs
    ADD CONSTRAINT fk_campaign_runs_campaign_id_campaigns FOREIGN KEY (campaign_id) REFERENCES public.campaigns(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.campaign_words
    ADD CONSTRAINT fk_campaign_words_campaign_id_campaigns FOREIGN KEY (campaign_id) REFERENCES public.campaigns(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.consents
    ADD CONSTRAINT fk_consents_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.digest_marks
    ADD CONSTRAINT fk_digest_marks_campaign_id_campaigns FOREIGN KEY (campaign_id) REFERENCES public.campaigns(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.digest_marks
    ADD CONSTRAINT fk_digest_marks_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT fk_notifications_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.operator_sessions
    ADD CONSTRAINT fk_operator_sessions_operator_id_operators FOREIGN KEY (operator_id) REFERENCES public.operators(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.preferences
    ADD CONSTRAINT fk_preferences_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT fk_recovery_codes_operator_id_operators FOREIGN KEY (operator_id) REFERENCES public.operators(id) ON DELETE CASCADE;
