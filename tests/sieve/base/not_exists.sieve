if not exists "message-id" { discard; }
