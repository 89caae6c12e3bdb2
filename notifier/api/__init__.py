"""The HTTP API, below `/v1`: a Flask application of its own, which reads no cookie and answers in JSON alone.

    resource = Resource("users", "People, by the ids that you give them.")

    @resource.operation("GET", "/users/<external_id>", scope=Scope.users_read, answers={200: UserAnswer})
    def get_user(path: UserPath) -> Response: ...

Each resource is a module in `resources/`, named in its registry.
"""
