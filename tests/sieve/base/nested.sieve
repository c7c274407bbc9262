require "fileinto";
if anyof (allof (exists "from", not exists "to"), header :contains ["subject", "from"] "x", not anyof (true)) { fileinto "hit"; } else { fileinto "miss"; }
