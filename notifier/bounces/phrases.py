"""What mail systems say in their reports: without a code, or in words that no SMTP reply has. Texts are in lower case.

The words of replies are in `notifier/smtp/reply_phrases.py`, those of other languages in `languages.py`. A phrase for a
dead address names the address, the mailbox or the domain: "does not exist" alone may be about anything.
"""

from notifier.bounces import languages
from notifier.smtp.reply_phrases import any_of

#: The address does not exist, in any language but English.
USER_UNKNOWN_ABROAD = any_of(
    *(
        rf"(?:{who})(?:[^.;!?]|\.\b){{0,70}}?(?:{gone})|(?:{gone})(?:[^.;!?]|\.\b){{0,25}}?(?:{who})"
        for who, gone in languages.WHO_IS_GONE.values()
    ),
    languages.NO_SUCH_USER,
)
#: English, as reports and their gateways say it.
USER_UNKNOWN_IN_REPORT = any_of(
    r"(?<!\w)<?x@x[>)\"']*:? ?(?:\.\.\. ?)?(?:is |was )?(?:unknown(?! (?:fail|err|reason|problem|comm))"
    r"|does ?n[o'\u2019]t exist|does not exist|not (?:be )?found|not known)"
    r"|no match(?:es)? (?:found )?(?:in .{0,30}(?:directory|address book)|to nameserver query)|unknown recipient"
    r"|(?:user|mailbox|recipient|account|addressee|address|local[- ]part"
    r"|userid)[^.;]{0,60}? (?:is |was |are )?(?:not (?:be )?(?:found"
    r"|known|exist)\w*|unknown|does ?n[o'\u2019]t exist|not local)"
    r"|no such (?:e-?mail )?(?:user|mail ?box|address|account|recipient|person|local user)"
    r"|no mail ?box (?:here|found|by|available for this)|no valid recipients? for this"
    r"|not a (?:known|valid|local) (?:user|address|mailbox|recipient)"
    r"|invalid (?:final delivery userid|recipient|mailbox|user|address)"
    r"|unknown (?:or illegal )?(?:local[- ]part|user|address|recipient|mailbox|alias|account)|addressee unknown"
    r"|(?:this|the) (?:user|person) (?:does ?n[o'\u2019]t|does not) have an? .{0,60}account"
    r"|not a valid user of the system|are not a valid user"
    r"|e-?mail (?:account|address)[^.;]{0,60}? (?:does not exist|is (?:wrong"
    r"|invalid|not valid|no longer valid)|could ?n[o'\u2019]t be found"
    r"|was ?n[o'\u2019]t found)|wrong or no longer valid|does not have a final email delivery point|badrcptto"
    r"|badrecipientto|not in my validrcptto|recipient does not exist|user missing home directory"
    r"|undeliverable: no such|envelope recipient (?:is )?(?:in my bad|has been denied)|not (?:an )?e-?mail users"
    r"|address(?:es)? (?:you entered |that you (?:sent|entered) )?(?:could ?n[o'\u2019]t be found"
    r"|was ?n[o'\u2019]t found)|no account by that name|is not an active address|bad (?:recipient|mailbox)\b(?! count)"
    r"|mailbox (?:\S+ )?(?:does ?n[o'\u2019]t|does not) exist|username (?:is )?unknown|not a deliverable address",
    r"(?:invalid|unknown) (?:or (?:unknown|illegal|invalid) )?(?:virtual |local |e-?mail |destination )?"
    r"(?:user|recipient|mailbox|alias|address|account)"
    r"|(?:illegal|wrong|unavailable|unrecogni[sz]ed|non-?existing) (?:mail |e-?mail |local |destination )?"
    r"(?:user|alias|recipient|mailbox|or[- ]name|address(?! syntax))"
    r"|(?:user|recipient|mailbox|account|addressee|receiver|destination address)"
    r"(?: \S+@\S+| name| path| address)? ?(?:is |are |was )?(?:not (?:be )?found|can(?:not|'t) be (?:found|located)"
    r"|no exist|invalid\b|unrecogni[sz]ed|not in (?:the |our )?(?:directory|address (?:list|book))"
    r"|not (?:on|at|of|in) this (?:system|server|site|host))"
    r"|all recipients are invalid"
    r"|no such (?:id\b|mail ?drop|object)|no ?one (?:here )?(?:with|by) th(?:at|is) (?:e-?mail |name|address)"
    r"|(?:don't|do not|doesn't|does not) (?:know|handle mail for) (?:that|this|any such) (?:user|address|person)"
    r"|(?:unable to|could not|cannot|can't) (?:find|locate) (?:the |this |that )?(?:alias |local )?(?:user|mailbox"
    r"|recipient)"
    r"|(?:user|recipient) (?:is )?not a member of (?:the |this )?domain|(?<!sender )(?<!from )address invalid"
    r"|x@x is not local"
    r"|d(?:id|oes|o) not (?:exactly )?match an?y? (?:\S+ )?(?:e-?mail )?(?:address|user|mailbox|account)"
    r"|destination addresses were unknown|unrecogni[sz]ed[- ]or[- ]name",
)
#: Words of directories that mean this and nothing else, although "listed in" sounds like a block list.
NOT_IN_DIRECTORY = any_of(
    r"not listed in (?:the )?(?:public )?(?:name|domino|address|directory)"
    r"|\.adr\.(?:ex)?recip(?:ient)?\s?not ?found|recipient name is not recognized"
    r"|recipients? cannot be verified\W{1,4}please check all recipients",
    languages.NOT_IN_DIRECTORY,
)
#: Words of servers that found no such domain. They go on about retries and block lists, which mean nothing.
NO_WAY_TO_DOMAIN = any_of(
    r"account or domain may not exist, they may be blacklisted"
    r"|destination server for this recipient could not be found in (?:the )?domain name service"
)
#: The domain does not exist.
HOST_UNKNOWN = any_of(
    r"host or domain name not found(?!.{0,120}try again)|(?<!dns lookup: )\bnxdomain"
    r"|(?:name service|dns|hostname?|domain|smtpsend\.dns)[^;]{0,80}?(?:host not found"
    r"|nonexistentdomain|non-existent (?:domain|host)|no such (?:domain"
    r"|host))(?!, try)"
    r"|(?:unknown|no such|non-?existent|invalid) (?:host|domain|mail domain|destination domain|recipient domain)\b"
    r"|(?:host|domain|destination domain|mail domain|domain name)(?: name)?(?: \S+){0,2} (?:is "
    r"|was )?(?:unknown|does ?n[o'\u2019]t exist|not exist\b|non-?existent)"
    r"|could ?n[o'\u2019]t find any host (?:named|by that name)|all host address lookups failed permanently"
    r"|mx records point to non-existent|name or service not known|no such (?:internet )?domain"
    r"|domain mentioned in email address is unknown|recipient domain must exist|domain must exist"
    r"|domain(?:name)? (?:\S+ )?(?:could ?n[o'\u2019]t|could not|was not|cannot) be found"
    r"|(?:domain|host) (?:\S+ )?not found(?!, try)|illegal host/domain name found|account or domain may not exist",
    r"domain(?: name)? (?:\S+ )?(?:does not|doesn't) (?:appear to|seem to) (?:be registered|exist)"
    r"|no mail servers? (?:appear to )?exists? for the recipient|invalid host ?name|no dns entries for"
    r"|(?:host|domain) (?:\S+ )?(?:is )?not registered"
    r"|destination (?:server|computer)[^.;]{0,30} (?:could|was) not (?:be )?found"
    r"|(?<!sender )\bdomain (?:\S+ )?is (?:not valid|invalid)"
    r"|no valid mail servers found: domain does not exist|find a mail exchanger or ip address"
    r"|no (?:mail servers?|mx(?: records?)?) (?:found )?for (?:this |the )?(?:domain|destination)",
    languages.HOST_UNKNOWN,
)
#: A host, a domain or a user is named that is the sender's.
ABOUT_SENDER = any_of(
    r"\b(?:helo|ehlo)\b|reject\w* sender|sender(?:'s)? (?:user|mailbox|account|host)|\breturn[- ]path\b"
    r"|\b(?:client|remote|connect(?:ion|ing)|bounce|reply-to|(?:envelope[- ])?from|send(?:er|ing)|your) address"
    r"|\bip address (?:is|was|not|unknown|invalid|does)\b|\byour (?:account|mailbox)\b|\binvalid message[- ]id\b"
    r"|\bto header\b|\burls? (?:of|in|is|from|listed|blocked)\b"
    r"|unknown sender|authentication failed|\bheader[- ]from\b|\bfrom[- :]{1,3}header\b",
)
#: A server verified the sender, or could not.
SENDER_VERIFIED = any_of(
    r"\bsender(?:'s)?(?: e-?mail)?(?: address)? (?:verif|call-?(?:out|back)|check)"
    r"|\bverif\w*(?: (?:of|the|that|this|your|e-?mail|envelope|address))* (?:senders?\b|return[- ]path|mail from)"
    r"|\bcall-?(?:out|back) (?:to|on|for|of) (?:your|the sender)"
    r"|\bcheck\w* (?:of )?(?:the )?(?:return[- ]path|senders?\b)"
)
#: No MX record was found for the domain that follows.
NO_MX_FOR = any_of(r"\bno mx(?: records?)?(?: found| exists?)? for (?:the domain |domain )?[<\"']?([\w.-]{3,255})")
#: The domain accepts no email at all.
NULL_MX = any_of(
    r"null ?mx|mx or srv record indicated no smtp"
    r"|(?:domain|host)(?: \S+)? (?:does not|doesn't|never) accepts? (?:any )?(?:e-?)?mail(?! from)"
    r"|(?:domain|host)(?: \S+)? (?:sends and )?receives no mail",
)
#: The person left.
MOVED = any_of(
    r"(?:user|recipient|account|mailbox|person|addressee|he|she|they) (?:\S+ )?(?:has "
    r"|have )(?:moved|left the (?:company|organi[sz]ation)|changed (?:his"
    r"|her|their|the) (?:e-?mail )?address)|address (?:has )?(?:been )?changed (?:to|and)|has been replaced by"
    r"|new (?:e-?mail )?address (?:is|of)"
    r"|no longer (?:works|employed|an employee|with (?:us|the|this)|at this (?:company|address))"
    r"|not local[;,.] please try",
)
#: The mailbox is closed.
DISABLED = any_of(
    r"(?:account|mailbox|user|recipient|address)[^.;]{0,50}? (?:is "
    r"|has been |was )?(?:closed|terminated|cancel(?:l)?ed|deleted"
    r"|discontinued|deactivated|disabled|no longer (?:active|available"
    r"|in use|valid|accepts))",
)
#: What ended is the connection or the email, not the mailbox.
OTHER_END = any_of(
    r"(?:closed|cancel+ed|terminated|dropped) (?:the |this )?(?:connection|session)"
    r"|(?:connection|session)[^.;]{0,20} (?:closed|terminated)"
    r"|(?:message|mail|delivery|attachments?) (?:was |were |has been |is )?(?:deleted|removed|cancel+ed)",
)
#: The mailbox may come back: never hard.
SUSPENDED = any_of(
    r"suspen[ds]|deactivated|temporar\w* (?:disabled|inactivee|locked|blocked|limited|unavailable)|\bin-?active"
    r"|\bfrozen\b"
    r"|(?:account|mailbox|user)[^.;]{0,30} (?:is |has been )?(?:locked"
    r"|disabled|deactivated|blocked|on hold|limited|expired)|administrative?ly? disabled"
    r"|(?:mail )?receiving (?:is )?disabled|dormant"
    r"|not (?:been )?(?:activated|collected)|has not (?:been )?(?:collected|logged)",
    languages.SUSPENDED,
)
#: The mailbox is full.
FULL = any_of(
    r"(?:quota|\bspace\b|storage)[^.;]{0,40}(?:exceed|full|enough|used up|exhaust|violation|limit)"
    r"|(?:exceed|over)[^.;]{0,40}(?:quota|storage|disk ?space|mailbox size|mailbox limit)|over ?quota"
    r"|quota (?:exceed|violation)|exdiskquota|mail ?folder is full|mailbox (?:is |would be |too )?(?:full|exceeds)"
    r"|mail ?box space not enough|too much mail|too many messages on the server|inbox is full"
    r"|(?:mail ?box|inbox)[^.;]{0,40} (?:is|are|was) (?:over)?full\b"
    r"|number of messages in [^.;]{0,30}(?:mailbox|inbox)[^.;]{0,20}exceed|storage (?:allocation|space) exceeded",
    languages.FULL,
)
#: The same in words that no closed mailbox has.
COMES_BACK = any_of(
    r"suspen[ds]|temporar|\bfrozen\b"
    r"|(?:account|mailbox|user)[^.;]{0,30} (?:is |has been )?(?:locked|blocked|on hold|limited)"
    r"|administrative?ly? disabled",
    languages.SUSPENDED,
)
#: A server gave up.
EXPIRED = any_of(
    r"in the queue too long|(?:retry|delivery) (?:timeout|time) (?:exceeded|not reached)"
    r"|(?:message|delivery|mail)[^.;]{0,40}(?:expired|timed out|time-?out)"
    r"|(?:queue|delivery time|retry)[^.;]{0,20}expired|expired[^.;]{0,30}(?:queue|deliver|retr|hold)"
    r"|(?:not |un)deliver[^.;]{0,40}(?:within|for|after) \d|delivery failed \d+ (?:attempts|times)"
    r"|exceeded maximum delivery attempts|after \d+(?:\.\d+)? (?:hour|day|attempts)"
    r"|ha(?:s|ve) been failing for a long time|too many (?:retries|attempts)|gave up|giving up after"
    r"|allowed queue period|\bqueue\.expired|envelope expired|could not be delivered for \d{1,3} (?:day|hour)"
    r"|in the time limit specified|not deliver[^.;]{0,30} for the last \d",
)
#: No server answered.
UNREACHABLE = any_of(
    r"connect[^.;]{0,60}(?:refused|time|fail|lost|reset|drop|closed|could ?n|unreach|no route)"
    r"|(?:could ?n[o'\u2019]t|could not|cannot|can't|unable to|wasn't able to"
    r"|failed to) (?:establish|connect|contact|reach|open|find a mail exchanger"
    r"|resolve|look ?up)|no route to host|network (?:is )?unreachable"
    r"|(?:dns|name|mx|host) lookup fail"
    r"|host (?:is )?(?:unreachable|down|not respond\w*|is not responding)|not respond|did not respond"
    r"|(?:no|bad) (?:connection|answer from host)|host not found, try"
    r"|name ?server[^.;]{0,40}(?:fail|error|time|try)|servfail|broken pipe|temporary (?:dns|lookup)"
    r"|mail exchanger failed|smtp connection|server unavailable|conversation with .{0,60} timed out"
    r"|greeting failed|name was rejected",
)
#: The server does not take email for the domain.
NOT_OUR_DOMAIN = any_of(r"allowed rcpthosts|not (?:a )?local host\b.{0,80}not a gateway|we do(?: not|n't) relay")
#: A provider refuses our IP address: labels of AOL, and the pages to which filters send their senders.
BLOCKED = any_of(
    r"\b(?:(?:rtr|rly|dyn):[a-z]\w?|dns:nr)\b|^\W{0,4}blocked\b\W{1,4}see\b|\bipcheck\.|/reputation\b|\(x@x:blocked\)"
)
#: A link in the email is on a list, or the same in a label of AOL.
LINK_LISTED = any_of(
    r"\b(?:surbl|uribl)\b|\b(?:hvu|con):[a-z]\w?\b"
    r"|(?<![\w/.-])(?:urls?|uris?|links?) (?:\S+ ){0,4}?(?:is |are |was |were )?(?:black|block|deny)?-?listed"
)
#: The email went in circles.
LOOP = any_of(
    r"\bloop(?:s|ing|back)?\b|too many hops|hop count|too many [\"']?received|mail for \S+ loops back"
    r"|best-preference mx|lowest[- ]numbered mx",
)
#: A server has a fault of its own.
SERVER_FAULT = any_of(
    r"command died"
    r"|(?:internal|system|server|software|configuration|local|program|i/?o|file|disk) (?:error|failure|problem)"
    r"|can't (?:create|open)|cannot (?:open|create|write)|insufficient system|out of memory|no space left"
    r"|local delivery failed|error opening|permission denied|\bcrash|mail(?:er| )? system (?:error|problem)"
    r"|unable to open|processing error|error while being processed|mailer error|code: \d{1,3}\b|lmtp error|pipe to"
    r"|forwarding (?:loop|error)|undefined value|deferred",
)
#: The recipient accepts email from chosen senders only.
RESTRICTED = any_of(
    r"not accepting (?:e-?mail|mail|messages)"
    r"|(?:only accepts|accepts? (?:e-?mail|mail|messages) only|not (?:authori[sz]ed"
    r"|allowed|permitted) to (?:send|post|submit)|do(?:es)? not have permission)"
    r"|(?:restricted|private|members[- ]only|moderated)|resolver\.rst\.|refuses to accept"
    r"|only (?:members|subscribers) (?:may|can) post"
    r"|permission to (?:send|post)|not allowed to receive (?:e-?)?mails? from"
    r"|not accept\w* (?:mail|e-?mail|messages) from",
)
#: In a report without fields: it is late, nothing failed yet.
DELAYED = any_of(
    r"not (?:yet been delivered|been delivered yet)|has (?:not|n't) yet"
    r"|will (?:continue|keep|be) (?:to be )?(?:to )?(?:try|retr|attempt)\w*|still being (?:retried|tried)"
    r"|warning (?:message )?only|attempts? will continue|no (?:further )?action is required|no need to re-?send"
    r"|is only a notification about a delay|delivery (?:is |has been |was )?(?:delayed|postponed)"
    r"|(?:will|shall) retry for \d|temporary problem delivering"
    r"|message (?:is |has been )?delayed|postponed|just a warning|retried for|will try again"
    r"|delivery attempts will",
    languages.DELAYED,
)
#: The person or the server refuses this email, and says so with a code that means a dead address.
NOT_WANTED = any_of(
    r"(?:recipient|user)(?:'s)? preferences|blocked by (?:the |this )?(?:recipient|user|addressee)"
    r"|only accept\w* (?:mail|e-?mail|messages) from|will not accept delivery of|because they are not accepting"
    r"|refus\w* to receive|rejected by (?:the |this )?(?:recipient|user|addressee)",
)
#: It is no longer tried, so it is not late.
FOR_GOOD = any_of(
    r"(?<!delivery fails )permanent|giv(?:en|ing) up|gave up|will be deleted from queue|could not be delivered for"
    r"|no further attempts"
    r"|not going to try again|has been removed|returned to sender|failed permanently|undeliverable",
    languages.FOR_GOOD,
)
#: A report says that an email failed.
FAILED = any_of(
    r"(?:not|n['\u2019]t|cannot|unable to|never|without being)(?: \w+){0,3} (?:deliver|reach)\w*"
    r"|not (?:be )?(?:deliver|reach|receive)\w*|undeliver\w*|unable to (?:deliver|send|process)"
    r"|deliver[^.;]{0,60}(?:fail|problem|error|abort|impossible)|fail[^.;]{0,30}deliver"
    r"|permanent (?:fatal )?error|fatal errors|failed (?:recipient|address)"
    r"|address(?:es|\(es\))?[^.;]{0,20} (?:failed|was rejected)|returned (?:mail|to sender|unopened)|mail error"
    r"|did ?n[o'\u2019]t reach|does not like recipient"
    r"|(?:was|were) (?:automatically )?(?:rejected|returned|refused|bounced)|has been returned|rejected by"
    r"|will not be delivered|not been delivered|invalid final delivery|error (?:was detected )?while processing"
    r"|error-(?:for|code)|not a valid user|mailbox is full",
    r"^\W{0,20}error\b|\berror message below|trouble delivering|error sending your",
    languages.FAILED,
)
#: The subject of a report.
FAILED_SUBJECT = any_of(
    r"undeliver|un-?delivered|returned (?:mail|message|to sender|e-?mail)|failure notice"
    r"|delivery (?:status|failure|failed|report|notification|problem|error|has failed|unsuccessful|incomplete)"
    r"|deliver\w* (?:fail|problem|error|unsuccessful)|mail (?:delivery|system) (?:fail|error|problem|sub)"
    r"|mail (?:fail|error|not|could)|failed (?:mail|delivery|to deliver)"
    r"|(?:message|mail|email)[^.;]{0,40}(?:not delivered|failed|could not|rejected|undeliver|bounced|refused)"
    r"|not delivered|nondeliver|non-deliver|rejected mail|mail rejected|bounced? (?:mail|message)|processing error"
    r"|warning: .{0,200}(?:unknown|delayed|not yet)|delayed mail|message status|postmaster notify"
    r"|permanent delivery|cannot send|returning message|message not sent|mail returned|auto-?matically rejected",
    FAILED.pattern,
)
#: A sentence that explains what may be wrong, and says nothing about this email.
SUPPOSED = any_of(
    r"\b(?:may|might|if|whether|possibl[ey]|perhaps|either|e\.g\.|for example|such as|usually|often|sometimes)\b"
    r"|(?:common|likely|following) (?:reason|cause)s",
)
#: The subject of a report that holds the cause. In other subjects there is that of the failed email.
CAUSE_IN_SUBJECT = any_of(
    r"^(?:returned mail|delivery failure|undeliverable(?: mail)?|warning)\b.{0,120}"
    r"(?:(?:user|host|recipient|addressee) unknown\W*$|not listed in \w)",
)
