"""Flask's extensions, made once and bound to an application in `notifier.app` and `notifier.wiring`."""

from flask_limiter import Limiter
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect

from notifier.database.base import Base
from notifier.security import clients

#: Engines and sessions of our own application. Row classes descend from `Base` and do not need it.
db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()
csrf = CSRFProtect()
limiter = Limiter(key_func=clients.client)
