"""The key of a recipient in the host's application, as rules over the host's tables compare it."""

from sqlalchemy import Integer, insert, select
from sqlalchemy.orm import Session

from notifier.emails.host_key import host_key
from notifier.models import User
from tests.embedding.conftest import Host


def test_people_who_are_gone_and_our_own_have_none(host: Host) -> None:
    kept, gone = host.add("ada@example.com"), host.add("bo@example.com")
    liked = host.Like(owner=kept)
    host.db.session.add(liked)
    host.db.session.delete(gone)
    host.db.session.execute(insert(User).values(email="eve@example.com", identity_key="eve@example.com"))
    host.db.session.commit()
    with Session(host.engine) as session:
        keys = session.scalars(select(host_key(Integer)).order_by(User.id)).all()
        owners = session.scalars(select(User.email).join(host.Like, host.Like.owner_id == host_key(Integer))).all()
    assert keys == [kept.id, None, None]
    assert owners == ["ada@example.com"]
