require "fileinto";
if address :contains "from" "@" { fileinto "at"; }
