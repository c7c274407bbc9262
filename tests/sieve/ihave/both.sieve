require "ihave";
if ihave ["fileinto", "vnd.example.nothing"] { fileinto "INBOX"; } else { discard; }
