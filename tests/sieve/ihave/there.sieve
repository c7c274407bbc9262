require "ihave";
if ihave "fileinto" { fileinto "INBOX"; } else { discard; }
