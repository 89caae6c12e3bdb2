"""The admin: what operators see and do. Flask-Admin gives routes, guard and menu; the pages are ours."""
