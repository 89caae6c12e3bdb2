"""Dovecot on loopback: Debian's dovecot-imapd (2.3 or 2.4), with Maildirs in a temporary folder."""

import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from notifier.dev.ports import answers, free_port
from notifier.testing.servers.process import UNPRIVILEGED, NotInstalled, Server

#: Of every user; any name signs in with it and has mailboxes of its own.
PASSWORD = "hush-hush"

#: Settings that both versions know. Dovecot runs as one user without privileges, so nothing changes its root;
#: a wrong password delays no later sign-in.
_CONFIG = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 0
mail_uid = {user}
mail_gid = {group}
mail_home = {home}/users/%{{user}}
auth_failure_delay = 0
auth_mechanisms = plain login
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""

_CONFIG_2_3 = """
mail_location = maildir:~/Maildir
disable_plaintext_auth = no
ssl = {ssl}
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = static
  args = password={{PLAIN}}{password}
}}
userdb {{
  driver = static
}}
"""

#: The version of the settings must come first.
_CONFIG_2_4 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
mail_driver = maildir
mail_path = ~/Maildir
auth_allow_cleartext = yes
ssl = {ssl}
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
passdb static {{
  passdb_static_password = {{PLAIN}}{password}
}}
userdb static {{
}}
"""


def find() -> str:
    """Return the path of Dovecot. Raise NotInstalled without it or its part for IMAP."""
    path = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if path is None or not Path("/usr/lib/dovecot/imap").exists():
        raise NotInstalled("Dovecot is missing. Debian: apt-get install --no-install-recommends dovecot-imapd")
    return path


class DovecotServer(Server):
    """An IMAP server with STARTTLS at `port` and TLS at `tls_port`."""

    drops_root = True

    def __init__(self, certificate: Path, key: Path) -> None:
        """Prepare it, with a certificate (PEM) and its key. Raise NotInstalled without Dovecot."""
        super().__init__()
        self._binary = find()
        self._certificate, self._key = certificate, key
        self.tls_port = 0

    def maildir(self, user: str) -> Path:
        """Return the Maildir of a user, which exists after the first sign-in."""
        return self.home / "users" / user / "Maildir"

    def _argv(self, port: int) -> list[str]:
        self.tls_port = self.tls_port or free_port()
        owner = UNPRIVILEGED if os.geteuid() == 0 else os.geteuid()
        account = pwd.getpwuid(owner)
        for name in ("run", "state", "users"):
            (self.home / name).mkdir(exist_ok=True)
        # The server reads them as another user.
        certificate, key = (Path(shutil.copy(path, self.home)) for path in (self._certificate, self._key))
        group = grp.getgrgid(UNPRIVILEGED if os.geteuid() == 0 else account.pw_gid).gr_name
        values = {"home": self.home, "user": account.pw_name, "group": group, "port": port, "tls_port": self.tls_port}
        tls = {"ssl": "yes", "certificate": certificate, "key": key, "password": PASSWORD}
        config = self.home / "dovecot.conf"
        config.write_text(self._own().format(**tls) + _CONFIG.format(**values))
        if os.geteuid() == 0:
            for path in (self.home, *self.home.iterdir()):
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        return [self._binary, "-F", "-c", str(config)]

    def _own(self) -> str:
        """Return the settings that only the installed version has."""
        done = subprocess.run([self._binary, "--version"], capture_output=True, text=True, check=True)
        return _CONFIG_2_3 if done.stdout.startswith("2.3.") else _CONFIG_2_4

    def _ready(self, port: int) -> bool:
        return answers("127.0.0.1", port) and answers("127.0.0.1", self.tls_port)
