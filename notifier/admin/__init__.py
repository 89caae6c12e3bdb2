"""The admin: what operators see and do. Flask-Admin provides routes, access check and menu; the pages are ours."""
