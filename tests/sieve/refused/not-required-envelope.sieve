if envelope "from" "a@example.org" { keep; }
