require "ihave";
if allof (ihave "fileinto", true) { fileinto "INBOX"; }
