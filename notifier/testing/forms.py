"""Forms of our pages, for clients without a browser."""


def csrf_token(page: str) -> str:
    """Return the CSRF token of the first form on a page. Raise AssertionError if there is no form."""
    tag = page.partition('name="csrf_token"')[2].partition(">")[0]
    token = tag.partition('value="')[2].partition('"')[0]
    assert token, f"the page has no form: {page[:500]}"
    return token
