if address :domain :localpart "from" "a" { keep; }
