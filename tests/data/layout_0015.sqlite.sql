-- The layout of migration 0015, the last before the tables got their prefix, with sample rows. SQLite.
BEGIN TRANSACTION;
CREATE TABLE account_requests (
	id INTEGER NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	email VARCHAR(320) NOT NULL, 
	identity_key VARCHAR(400) NOT NULL, 
	display_name VARCHAR(64) NOT NULL, 
	locale VARCHAR(16) NOT NULL, 
	timezone VARCHAR(64) NOT NULL, 
	network VARCHAR(64) NOT NULL, 
	known_provider BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	attempts INTEGER NOT NULL, 
	enqueue_at DATETIME NOT NULL, 
	CONSTRAINT pk_account_requests PRIMARY KEY (id)
);
INSERT INTO "account_requests" VALUES(1,'signup','new@example.com','new@example.com','','en','UTC','',0,'2026-11-20 12:00:00.000000',0,'2026-11-20 12:00:00.000000');
CREATE TABLE activities (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	actor VARCHAR(64) NOT NULL, 
	object_key VARCHAR(64) NOT NULL, 
	object_title VARCHAR(200) NOT NULL, 
	occurred_at DATETIME NOT NULL, 
	CONSTRAINT pk_activities PRIMARY KEY (id), 
	CONSTRAINT fk_activities_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "activities" VALUES(1,2,'comment','Samir Torres','photo:2:4','Night train','2026-11-11 01:14:17.452851');
INSERT INTO "activities" VALUES(2,2,'like','José O''Brien','photo:2:1','My first sourdough','2026-11-17 16:58:15.518798');
INSERT INTO "activities" VALUES(3,3,'comment','Valentina Van','photo:3:4','Night train','2025-10-01 16:56:16.094534');
INSERT INTO "activities" VALUES(4,3,'follow','Naoko Kowalski','photo:3:1','My first sourdough','2026-06-29 11:09:01.081536');
INSERT INTO "activities" VALUES(5,3,'comment','Marek Becker','photo:3:2','Trip to the lakes','2026-03-24 11:05:58.724509');
INSERT INTO "activities" VALUES(6,4,'friend_request','Emil Müller','photo:4:0','Sunrise over the harbour','2026-11-20 10:11:03.844110');
INSERT INTO "activities" VALUES(7,4,'comment','Anders López','photo:4:2','Trip to the lakes','2026-11-20 01:08:57.354853');
INSERT INTO "activities" VALUES(8,4,'comment','Uma Kim','photo:4:4','Night train','2026-11-20 07:59:50.349854');
INSERT INTO "activities" VALUES(9,4,'comment','Hana Abebe','photo:4:1','My first sourdough','2026-11-20 09:23:48.485050');
INSERT INTO "activities" VALUES(10,5,'like','Naoko Moreau','photo:5:4','Night train','2026-08-20 15:39:37.972256');
INSERT INTO "activities" VALUES(11,5,'like','Pavel Weber','photo:5:4','Night train','2026-08-10 05:13:50.416955');
INSERT INTO "activities" VALUES(12,5,'comment','Ada Kaya','photo:5:4','Night train','2026-10-21 05:12:55.062203');
INSERT INTO "activities" VALUES(13,5,'friend_request','Dalia Müller','photo:5:4','Night train','2026-10-20 08:11:31.609741');
INSERT INTO "activities" VALUES(14,6,'like','Rana Vega','photo:6:3','Garden in June','2026-11-20 06:51:36.591645');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0015');
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	notification_id INTEGER NOT NULL, 
	claim INTEGER NOT NULL, 
	decision VARCHAR(16) NOT NULL, 
	phase VARCHAR(16), 
	code INTEGER, 
	enhanced VARCHAR(16), 
	text VARCHAR(500), 
	at DATETIME NOT NULL, owner VARCHAR(64), 
	CONSTRAINT pk_attempts PRIMARY KEY (id), 
	CONSTRAINT fk_attempts_notification_id_notifications FOREIGN KEY(notification_id) REFERENCES notifications (id) ON DELETE CASCADE
);
INSERT INTO "attempts" VALUES(1,4,1,'FAIL','rcpt',550,NULL,'no such user','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "attempts" VALUES(2,5,1,'FAIL','rcpt',550,NULL,'no such user','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "attempts" VALUES(3,10,1,'FAIL','rcpt',550,NULL,'no such user','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "attempts" VALUES(4,11,1,'FAIL','rcpt',550,NULL,'no such user','2026-11-20 12:00:00.000000',NULL);
CREATE TABLE "audit_entries" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at DATETIME NOT NULL, 
	operator_id BIGINT, 
	actor VARCHAR(320) NOT NULL, 
	ip VARCHAR(45) NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	object_type VARCHAR(32) NOT NULL, 
	object_id VARCHAR(64) NOT NULL, 
	"before" JSON NOT NULL, 
	"after" JSON NOT NULL
, person_digest VARCHAR(64));
INSERT INTO "audit_entries" VALUES(1,'2026-11-20 12:00:00.000000',1,'operator 1','','campaign.edited','campaign','1','{"state": "paused"}','{"state": "active"}',NULL);
CREATE TABLE "campaign_runs" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	campaign_id INTEGER NOT NULL, 
	slot DATETIME NOT NULL, 
	"trigger" VARCHAR(16) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(200), 
	resume_to VARCHAR(16), 
	cursor BIGINT NOT NULL, 
	planned INTEGER NOT NULL, 
	excluded JSON NOT NULL, 
	zone_fallbacks INTEGER NOT NULL, 
	totals JSON, 
	deadline DATETIME, 
	created_at DATETIME NOT NULL, 
	touched_at DATETIME NOT NULL, 
	expanded_at DATETIME, 
	finished_at DATETIME, words_id BIGINT, reason_code VARCHAR(32), edition INTEGER, 
	CONSTRAINT ck_campaign_runs_state CHECK (state IN ('due', 'expanding', 'sending', 'paused', 'done', 'cancelled', 'missed', 'coalesced')), 
	CONSTRAINT fk_campaign_runs_campaign_id_campaigns FOREIGN KEY(campaign_id) REFERENCES campaigns (id) ON DELETE CASCADE, 
	CONSTRAINT uq_campaign_runs_campaign_id_slot UNIQUE (campaign_id, slot)
);
INSERT INTO "campaign_runs" VALUES(1,1,'2026-11-20 09:00:00.000000','schedule','sending',NULL,NULL,0,3,'{"unverified": 2}',0,NULL,NULL,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000','2026-11-20 10:00:00.000000',NULL,1,NULL,1);
CREATE TABLE "campaign_words" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	campaign_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	subject TEXT NOT NULL, 
	heading TEXT NOT NULL, 
	body TEXT NOT NULL, 
	author_id BIGINT, 
	note VARCHAR(300) NOT NULL, 
	created_at DATETIME NOT NULL, edition INTEGER DEFAULT '1' NOT NULL, language VARCHAR(35) DEFAULT '' NOT NULL, 
	CONSTRAINT fk_campaign_words_campaign_id_campaigns FOREIGN KEY(campaign_id) REFERENCES campaigns (id) ON DELETE CASCADE, 
	CONSTRAINT uq_campaign_words_campaign_id_number UNIQUE (campaign_id, number)
);
INSERT INTO "campaign_words" VALUES(1,1,1,'Winter news','It''s cold','Two things

- one; two
- three',1,'first','2026-11-20 12:00:00.000000',1,'');
CREATE TABLE "campaigns" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR(64) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	paused_reason VARCHAR(200), 
	cron VARCHAR(100), 
	every INTEGER, 
	once_at DATETIME, 
	zone VARCHAR(64) NOT NULL, 
	recipient_local BOOLEAN NOT NULL, 
	start_at DATETIME, 
	end_at DATETIME, 
	next_slot DATETIME, 
	next_run_at DATETIME, 
	misfire VARCHAR(16) NOT NULL, 
	misfire_within INTEGER, 
	coalesce BOOLEAN NOT NULL, 
	audience JSON NOT NULL, 
	settings JSON NOT NULL, 
	rate FLOAT, 
	on_unknown VARCHAR(16) NOT NULL, 
	lifetime INTEGER, 
	quiet_from VARCHAR(5), 
	quiet_to VARCHAR(5), 
	capped BOOLEAN NOT NULL, 
	version INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, words_id BIGINT, edition INTEGER DEFAULT '1' NOT NULL, prompted_at DATETIME, 
	CONSTRAINT ck_campaigns_misfire CHECK (misfire IN ('run_late', 'skip', 'within')), 
	CONSTRAINT ck_campaigns_state CHECK (state IN ('active', 'paused', 'archived')), 
	CONSTRAINT uq_campaigns_name UNIQUE (name)
);
INSERT INTO "campaigns" VALUES(1,'verification-reminder','Reminder to confirm the address','verification_reminder','active',NULL,'0 10 * * *',NULL,NULL,'UTC',1,NULL,NULL,'2026-11-21 10:00:00.000000','2026-11-20 20:00:00.000000','within',21600,1,'{}','{"steps": [1, 3, 7], "not_after": 30}',NULL,'never',NULL,NULL,NULL,0,1,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',1,1,NULL);
INSERT INTO "campaigns" VALUES(2,'monthly-report','Monthly report','monthly_report','active',NULL,'0 9 1 * *',NULL,NULL,'UTC',1,NULL,NULL,'2026-12-01 09:00:00.000000','2026-12-01 01:00:00.000000','run_late',NULL,1,'{}','{}',NULL,'never',NULL,NULL,NULL,1,1,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,1,NULL);
INSERT INTO "campaigns" VALUES(3,'activity-digest','Activity digest','activity_digest','active',NULL,'0 7 * * *',NULL,NULL,'UTC',0,NULL,NULL,'2026-11-21 07:00:00.000000','2026-11-21 07:00:00.000000','run_late',NULL,1,'{}','{}',NULL,'never',NULL,'22:00','07:00',1,1,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,1,NULL);
INSERT INTO "campaigns" VALUES(4,'announcement','Announcement','announcement','paused','write its words first: notifier campaign edit announcement',NULL,NULL,NULL,'UTC',0,NULL,NULL,NULL,NULL,'run_late',NULL,1,'{}','{"subject": "News from us", "heading": "News from us", "paragraphs": ["Write here what is new."]}',NULL,'never',NULL,NULL,NULL,1,1,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,1,NULL);
CREATE TABLE consents (
	id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	category VARCHAR(16) NOT NULL, 
	wanted BOOLEAN NOT NULL, 
	frequency VARCHAR(16), 
	how VARCHAR(16) NOT NULL, 
	notification_id BIGINT, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_consents PRIMARY KEY (id), 
	CONSTRAINT fk_consents_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "consents" VALUES(1,1,'digest',1,'weekly','page',NULL,'2026-11-20 12:00:00.000000');
INSERT INTO "consents" VALUES(2,2,'digest',0,'weekly','page',NULL,'2026-11-20 12:00:00.000000');
INSERT INTO "consents" VALUES(3,3,'digest',1,'weekly','page',NULL,'2026-11-20 12:00:00.000000');
INSERT INTO "consents" VALUES(4,4,'digest',0,'weekly','page',NULL,'2026-11-20 12:00:00.000000');
INSERT INTO "consents" VALUES(5,5,'digest',1,'weekly','page',NULL,'2026-11-20 12:00:00.000000');
INSERT INTO "consents" VALUES(6,6,'digest',0,'weekly','page',NULL,'2026-11-20 12:00:00.000000');
CREATE TABLE daily_totals (
	day DATE NOT NULL, 
	hour SMALLINT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	mails INTEGER NOT NULL, 
	CONSTRAINT pk_daily_totals PRIMARY KEY (day, hour, status)
);
INSERT INTO "daily_totals" VALUES('2026-11-20',11,'sent',4);
CREATE TABLE database_identity (
	id INTEGER NOT NULL, 
	transaction_id BIGINT NOT NULL, 
	database_oid BIGINT NOT NULL, 
	noted_at DATETIME NOT NULL, 
	CONSTRAINT pk_database_identity PRIMARY KEY (id)
);
CREATE TABLE digest_marks (
	campaign_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	until DATETIME NOT NULL, 
	CONSTRAINT pk_digest_marks PRIMARY KEY (campaign_id, user_id), 
	CONSTRAINT fk_digest_marks_campaign_id_campaigns FOREIGN KEY(campaign_id) REFERENCES campaigns (id) ON DELETE CASCADE, 
	CONSTRAINT fk_digest_marks_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "digest_marks" VALUES(1,1,'2026-11-19 12:00:00.000000');
INSERT INTO "digest_marks" VALUES(1,2,'2026-11-19 12:00:00.000000');
INSERT INTO "digest_marks" VALUES(1,3,'2026-11-19 12:00:00.000000');
INSERT INTO "digest_marks" VALUES(1,4,'2026-11-19 12:00:00.000000');
INSERT INTO "digest_marks" VALUES(1,5,'2026-11-19 12:00:00.000000');
INSERT INTO "digest_marks" VALUES(1,6,'2026-11-19 12:00:00.000000');
CREATE TABLE domain_providers (
	domain VARCHAR(255) NOT NULL, 
	provider VARCHAR(16), 
	looked_up_at DATETIME NOT NULL, 
	CONSTRAINT pk_domain_providers PRIMARY KEY (domain)
);
INSERT INTO "domain_providers" VALUES('example.com',NULL,'2026-11-20 12:00:00.000000');
CREATE TABLE heartbeats (
	name VARCHAR(32) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_heartbeats PRIMARY KEY (name)
);
INSERT INTO "heartbeats" VALUES('tick','2026-11-20 12:00:00.000000');
INSERT INTO "heartbeats" VALUES('sweep','2026-11-20 12:00:00.000000');
CREATE TABLE "notifications" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind VARCHAR(64) NOT NULL, 
	user_id INTEGER, 
	recipient VARCHAR(320) NOT NULL, 
	dedupe_key VARCHAR(255) NOT NULL, 
	params JSON NOT NULL, 
	bulk BOOLEAN NOT NULL, 
	on_unknown VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason VARCHAR(200), 
	claims INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	unknowns INTEGER NOT NULL, 
	next_attempt_at DATETIME NOT NULL, 
	ring_at DATETIME NOT NULL, 
	lease_until DATETIME, 
	deadline DATETIME, 
	message_id VARCHAR(255), 
	template_version VARCHAR(32), 
	transport VARCHAR(64), 
	last_phase VARCHAR(16), 
	last_code INTEGER, 
	last_enhanced VARCHAR(16), 
	last_text VARCHAR(500), 
	created_at DATETIME NOT NULL, 
	sent_at DATETIME, 
	settled_at DATETIME, claimed_by VARCHAR(64), campaign_id BIGINT, run_id BIGINT, words_id BIGINT, reason_code VARCHAR(32), hold_key VARCHAR(320), deaths INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT ck_notifications_status CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'suppressed', 'skipped', 'unknown', 'cancelled', 'expired', 'bounced', 'complained')), 
	CONSTRAINT fk_notifications_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE SET NULL, 
	CONSTRAINT uq_notifications_dedupe_key UNIQUE (dedupe_key)
);
INSERT INTO "notifications" VALUES(1,'verification',1,'seed-1@example.org','signup:1:after:0','{}',0,'resend','sent',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'00.abc@notifier.test',NULL,'smtp','data',250,NULL,'2.0.0 Ok: queued as 4F2','2026-11-20 12:00:00.000000','2026-11-20 11:00:00.000000','2026-11-20 11:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "notifications" VALUES(2,'verification_reminder',1,'seed-1@example.org','c1:e1:1','{"period": "2026-11"}',1,'resend','pending',NULL,0,0,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-20 12:00:00.000000',NULL,NULL,NULL,1,1,1,NULL,NULL,0);
INSERT INTO "notifications" VALUES(3,'verification',2,'seed-2@example.org','signup:2:after:0','{}',0,'resend','pending',NULL,0,0,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-20 12:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "notifications" VALUES(4,'verification_reminder',2,'seed-2@example.org','c1:e1:2','{"period": "2026-11"}',1,'resend','failed',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'11.abc@notifier.test',NULL,NULL,NULL,550,'5.1.1','no such user','2026-11-20 12:00:00.000000',NULL,'2026-11-20 11:00:00.000000',NULL,1,1,1,'refused',NULL,0);
INSERT INTO "notifications" VALUES(5,'verification',3,'seed-3@example.org','signup:3:after:0','{}',0,'resend','failed',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'20.abc@notifier.test',NULL,NULL,NULL,550,'5.1.1','no such user','2026-11-20 12:00:00.000000',NULL,'2026-11-20 11:00:00.000000',NULL,NULL,NULL,NULL,'refused',NULL,0);
INSERT INTO "notifications" VALUES(6,'verification_reminder',3,'seed-3@example.org','c1:e1:3','{"period": "2026-11"}',1,'resend','sent',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'21.abc@notifier.test',NULL,'smtp','data',250,NULL,'2.0.0 Ok: queued as 4F2','2026-11-20 12:00:00.000000','2026-11-20 11:00:00.000000','2026-11-20 11:00:00.000000',NULL,1,1,1,NULL,NULL,0);
INSERT INTO "notifications" VALUES(7,'verification',4,'seed-4@example.org','signup:4:after:0','{}',0,'resend','sent',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'30.abc@notifier.test',NULL,'smtp','data',250,NULL,'2.0.0 Ok: queued as 4F2','2026-11-20 12:00:00.000000','2026-11-20 11:00:00.000000','2026-11-20 11:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "notifications" VALUES(8,'verification_reminder',4,'seed-4@example.org','c1:e1:4','{"period": "2026-11"}',1,'resend','unknown',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'31.abc@notifier.test',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-20 12:00:00.000000',NULL,'2026-11-20 11:00:00.000000',NULL,1,1,1,NULL,NULL,0);
INSERT INTO "notifications" VALUES(9,'verification',5,'seed-5@example.com','signup:5:after:0','{}',0,'resend','unknown',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'40.abc@notifier.test',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-20 12:00:00.000000',NULL,'2026-11-20 11:00:00.000000',NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "notifications" VALUES(10,'verification_reminder',5,'seed-5@example.com','c1:e1:5','{"period": "2026-11"}',1,'resend','bounced',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'41.abc@notifier.test',NULL,NULL,NULL,550,'5.1.1','no such user','2026-11-20 12:00:00.000000',NULL,'2026-11-20 11:00:00.000000',NULL,1,1,1,'refused',NULL,0);
INSERT INTO "notifications" VALUES(11,'verification',6,'seed-6@example.net','signup:6:after:0','{}',0,'resend','bounced',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'50.abc@notifier.test',NULL,NULL,NULL,550,'5.1.1','no such user','2026-11-20 12:00:00.000000',NULL,'2026-11-20 11:00:00.000000',NULL,NULL,NULL,NULL,'refused',NULL,0);
INSERT INTO "notifications" VALUES(12,'verification_reminder',6,'seed-6@example.net','c1:e1:6','{"period": "2026-11"}',1,'resend','sent',NULL,1,1,0,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000',NULL,NULL,'51.abc@notifier.test',NULL,'smtp','data',250,NULL,'2.0.0 Ok: queued as 4F2','2026-11-20 12:00:00.000000','2026-11-20 11:00:00.000000','2026-11-20 11:00:00.000000',NULL,1,1,1,NULL,NULL,0);
CREATE TABLE operator_sessions (
	id INTEGER NOT NULL, 
	operator_id INTEGER NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	ip VARCHAR(45) NOT NULL, 
	created_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_operator_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_operator_sessions_operator_id_operators FOREIGN KEY(operator_id) REFERENCES operators (id) ON DELETE CASCADE, 
	CONSTRAINT uq_operator_sessions_token_hash UNIQUE (token_hash)
);
INSERT INTO "operator_sessions" VALUES(1,1,'0000000000000000000000000000000000000000000000000000000000000000','192.0.2.7','2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000');
CREATE TABLE "operators" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	email VARCHAR(320) NOT NULL, 
	identity_key VARCHAR(400) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	active BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, totp_secret VARCHAR(300), totp_step BIGINT, 
	CONSTRAINT ck_operators_role CHECK (role IN ('viewer', 'editor', 'admin')), 
	CONSTRAINT uq_operators_identity_key UNIQUE (identity_key)
);
INSERT INTO "operators" VALUES(1,'boss@example.com','boss@example.com','$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$invalid','admin',1,'2026-11-20 12:00:00.000000',NULL,NULL);
CREATE TABLE "paces" (
	"key" VARCHAR(400) NOT NULL, 
	until DATETIME NOT NULL, 
	level INTEGER NOT NULL, 
	CONSTRAINT pk_paces PRIMARY KEY ("key")
);
CREATE TABLE preferences (
	user_id INTEGER NOT NULL, 
	category VARCHAR(16) NOT NULL, 
	wanted BOOLEAN NOT NULL, 
	frequency VARCHAR(16), 
	updated_at DATETIME NOT NULL, wanted_since DATETIME, 
	CONSTRAINT pk_preferences PRIMARY KEY (user_id, category), 
	CONSTRAINT fk_preferences_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "preferences" VALUES(1,'digest',1,'weekly','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "preferences" VALUES(2,'digest',0,'weekly','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "preferences" VALUES(3,'digest',1,'weekly','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "preferences" VALUES(4,'digest',0,'weekly','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "preferences" VALUES(5,'digest',1,'weekly','2026-11-20 12:00:00.000000',NULL);
INSERT INTO "preferences" VALUES(6,'digest',0,'weekly','2026-11-20 12:00:00.000000',NULL);
CREATE TABLE provider_holds (
	"key" VARCHAR(320) NOT NULL, 
	transport VARCHAR(64) NOT NULL, 
	scope VARCHAR(255) NOT NULL, 
	held_since DATETIME NOT NULL, 
	phase VARCHAR(16) NOT NULL, 
	code INTEGER, 
	text VARCHAR(500) NOT NULL, 
	next_probe_at DATETIME NOT NULL, 
	probes INTEGER NOT NULL, 
	CONSTRAINT pk_provider_holds PRIMARY KEY ("key")
);
CREATE TABLE recovery_codes (
	id INTEGER NOT NULL, 
	operator_id INTEGER NOT NULL, 
	code_hash VARCHAR(64) NOT NULL, 
	used_at DATETIME, 
	CONSTRAINT pk_recovery_codes PRIMARY KEY (id), 
	CONSTRAINT fk_recovery_codes_operator_id_operators FOREIGN KEY(operator_id) REFERENCES operators (id) ON DELETE CASCADE, 
	CONSTRAINT uq_recovery_codes_operator_id_code_hash UNIQUE (operator_id, code_hash)
);
INSERT INTO "recovery_codes" VALUES(1,1,'1111111111111111111111111111111111111111111111111111111111111111',NULL);
CREATE TABLE signup_emails (
	notification_id BIGINT NOT NULL, 
	at DATETIME NOT NULL, 
	due DATETIME NOT NULL, 
	mailbox VARCHAR(32) NOT NULL, 
	network VARCHAR(32) NOT NULL, 
	source VARCHAR(32), 
	first BOOLEAN NOT NULL, 
	slowed BOOLEAN NOT NULL, 
	CONSTRAINT pk_signup_emails PRIMARY KEY (notification_id)
);
INSERT INTO "signup_emails" VALUES(1,'2026-11-20 12:00:00.000000','2026-11-20 12:00:00.000000','mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm','nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn',NULL,1,0);
CREATE TABLE "suppressions" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	identity_key VARCHAR(400) NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	source VARCHAR(32) NOT NULL, 
	evidence VARCHAR(500) NOT NULL, 
	created_at DATETIME NOT NULL, until DATETIME, link VARCHAR(32), 
	CONSTRAINT uq_suppressions_identity_key UNIQUE (identity_key)
, CONSTRAINT uq_suppressions_link UNIQUE (link));
INSERT INTO "suppressions" VALUES(1,'gone@example.com','hard_bounce','smtp','550 5.1.1 no such user','2026-11-20 12:00:00.000000',NULL,NULL);
CREATE TABLE task_results (
	id INTEGER NOT NULL, 
	task_id VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	result JSON, 
	error VARCHAR(200), 
	worker VARCHAR(200), 
	queued_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	CONSTRAINT pk_task_results PRIMARY KEY (id), 
	CONSTRAINT uq_task_results_task_id UNIQUE (task_id)
);
INSERT INTO "task_results" VALUES(1,'t1','notifier.tick','SUCCESS','{"runs": 1}',NULL,NULL,'2026-11-20 12:00:00.000000',NULL,NULL);
CREATE TABLE transports (
	name VARCHAR(64) NOT NULL, 
	held_since DATETIME, 
	phase VARCHAR(16), 
	code INTEGER, 
	text VARCHAR(500), 
	next_probe_at DATETIME, 
	probes INTEGER NOT NULL, 
	alerted_at DATETIME, 
	last_accepted_at DATETIME, 
	CONSTRAINT pk_transports PRIMARY KEY (name)
);
INSERT INTO "transports" VALUES('smtp',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL);
CREATE TABLE unrecorded_emails (
	digest VARCHAR(16) NOT NULL, 
	message_id VARCHAR(255) NOT NULL, 
	noted_at DATETIME NOT NULL, 
	CONSTRAINT pk_unrecorded_emails PRIMARY KEY (digest)
);
CREATE TABLE "users" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	email VARCHAR(320) NOT NULL, 
	identity_key VARCHAR(400) NOT NULL, 
	display_name VARCHAR(64) NOT NULL, 
	locale VARCHAR(16) NOT NULL, 
	timezone VARCHAR(64) NOT NULL, 
	verified_at DATETIME, 
	link_nonce VARCHAR(32) NOT NULL, 
	created_at DATETIME NOT NULL, abuse_key VARCHAR(400), 
	CONSTRAINT uq_users_identity_key UNIQUE (identity_key)
);
INSERT INTO "users" VALUES(1,'seed-1@example.org','seed-1@example.org','Darya Novák','nl','Asia/Shanghai',NULL,'wj_Lzt5fapRYMG2trgZdgw','2025-06-14 06:07:05.510966','seed-1@example.org');
INSERT INTO "users" VALUES(2,'seed-2@example.org','seed-2@example.org','Quentin Petrov','sv','Asia/Kathmandu','2026-08-08 12:46:58.024235','X1QgAdhIQyZDMjA1rlvjcw','2026-08-07 07:13:58.024235','seed-2@example.org');
INSERT INTO "users" VALUES(3,'seed-3@example.org','seed-3@example.org','Wanjiru','tr','Europe/Paris','2025-09-17 18:37:23.618912','gpHISkYn4AmRwnVANEe0wQ','2025-09-16 20:56:23.618912','seed-3@example.org');
INSERT INTO "users" VALUES(4,'seed-4@example.org','seed-4@example.org','Anders','it','UTC','2026-11-20 12:00:00.000000','7cj8_PFDt911ir_Z8Lhypw','2026-11-20 00:39:21.394560','seed-4@example.org');
INSERT INTO "users" VALUES(5,'seed-5@example.com','seed-5@example.com','Goran Singh','fr','America/Los_Angeles','2026-07-04 20:00:05.006379','beLr2qpsfT3iwHCkJvHFFg','2026-07-03 12:37:05.006379','seed-5@example.com');
INSERT INTO "users" VALUES(6,'seed-6@example.net','seed-6@example.net','Kaito Yildiz','de','Africa/Lagos',NULL,'-mykpY3FarZ36g0ndv1uuQ','2026-11-20 03:54:32.881623','seed-6@example.net');
CREATE INDEX ix_activities_user_id_occurred_at ON activities (user_id, occurred_at);
CREATE INDEX ix_attempts_notification_id ON attempts (notification_id);
CREATE INDEX ix_consents_user_id_id ON consents (user_id, id);
CREATE INDEX ix_operator_sessions_operator_id ON operator_sessions (operator_id);
CREATE INDEX ix_task_results_name_id ON task_results (name, id);
CREATE INDEX ix_task_results_state_id ON task_results (state, id);
CREATE INDEX ix_task_results_queued_at ON task_results (queued_at);
CREATE INDEX ix_domain_providers_looked_up_at ON domain_providers (looked_up_at);
CREATE INDEX ix_attempts_owner_at ON attempts (owner, at) WHERE owner IS NOT NULL;
CREATE INDEX ix_signup_emails_at ON signup_emails (at);
CREATE INDEX ix_signup_emails_mailbox_at ON signup_emails (mailbox, at);
CREATE INDEX ix_signup_emails_source_due ON signup_emails (source, due);
CREATE INDEX ix_signup_emails_slowed_due ON signup_emails (slowed, due);
CREATE INDEX ix_users_unverified ON users (created_at, id);
CREATE INDEX ix_users_abuse_key ON users (abuse_key, id);
CREATE INDEX ix_notifications_pending_ring_at ON notifications (ring_at) WHERE status = 'pending';
CREATE INDEX ix_notifications_sending_lease_until ON notifications (lease_until) WHERE status = 'sending';
CREATE INDEX ix_notifications_status_id ON notifications (status, id);
CREATE INDEX ix_notifications_user_id_kind_id ON notifications (user_id, kind, id);
CREATE INDEX ix_notifications_settled_at ON notifications (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX ix_notifications_failed_settled_at ON notifications (settled_at) WHERE status IN ('failed', 'bounced', 'complained');
CREATE INDEX ix_notifications_run_id_status_id ON notifications (run_id, status, id) WHERE run_id IS NOT NULL;
CREATE INDEX ix_notifications_hold_key_status ON notifications (hold_key, status) WHERE hold_key IS NOT NULL;
CREATE INDEX ix_campaigns_due ON campaigns (next_run_at) WHERE state = 'active';
CREATE INDEX ix_campaign_runs_open ON campaign_runs (state, touched_at) WHERE state IN ('due', 'expanding', 'paused', 'sending');
CREATE TRIGGER campaign_words_append_only BEFORE UPDATE ON campaign_words BEGIN SELECT RAISE(ABORT, 'versions of words are only ever added'); END;
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
CREATE INDEX ix_audit_entries_operator_id_id ON audit_entries (operator_id, id);
CREATE INDEX ix_audit_entries_action_id ON audit_entries (action, id);
CREATE INDEX ix_audit_entries_object_type_object_id_id ON audit_entries (object_type, object_id, id);
CREATE INDEX ix_notifications_waiting ON notifications (bulk, run_id, id) WHERE status = 'pending' AND reason_code = 'rate_limited';
CREATE INDEX ix_account_requests_identity_key ON account_requests (identity_key, id);
CREATE INDEX ix_account_requests_enqueue_at ON account_requests (enqueue_at);
CREATE INDEX ix_audit_entries_person_digest_id ON audit_entries (person_digest, id) WHERE person_digest IS NOT NULL;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE ON audit_entries BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',6);
INSERT INTO "sqlite_sequence" VALUES('notifications',12);
INSERT INTO "sqlite_sequence" VALUES('campaigns',4);
INSERT INTO "sqlite_sequence" VALUES('campaign_runs',1);
INSERT INTO "sqlite_sequence" VALUES('campaign_words',1);
INSERT INTO "sqlite_sequence" VALUES('operators',1);
INSERT INTO "sqlite_sequence" VALUES('suppressions',1);
INSERT INTO "sqlite_sequence" VALUES('audit_entries',1);
COMMIT;
