if address :list "from" "friends" { keep; }
