require "fileinto";
if header :contains ["subject", "from", "to"] "=?" { fileinto "encoded"; }
