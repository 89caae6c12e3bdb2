#!/bin/sh
# A person, an email to them, and what became of it, by curl.  API=http://127.0.0.1:8000/v1 KEY=nk_1_… ./emails.sh
set -eu
: "${API:?the address of the API, such as http://127.0.0.1:8000/v1}" "${KEY:?a key, from: notifier apikey create}"

ask() { # ask METHOD PATH [BODY [IDEMPOTENCY-KEY]]: an error of the API is shown, and ends the script
    curl --silent --show-error --fail-with-body --retry 3 --request "$1" "$API$2" \
        --header "Authorization: Bearer $KEY" --header "Content-Type: application/json" \
        ${3:+--data "$3"} ${4:+--header "Idempotency-Key: $4"}
    echo
}

ask PUT /users/user-17 '{"email": "ada@example.com", "name": "Ada", "locale": "de", "timezone": "Europe/Berlin"}'
sent=$(ask POST /notifications '{"to": "user-17", "kind": "verification"}' verify:user-17)
echo "$sent"
id=$(echo "$sent" | sed -n 's/^{"id":"\([0-9]*\)".*/\1/p')

# The same key again: the same answer, and no second email.
[ "$(ask POST /notifications '{"to": "user-17", "kind": "verification"}' verify:user-17)" = "$sent" ]
ask GET "/notifications/$id"
