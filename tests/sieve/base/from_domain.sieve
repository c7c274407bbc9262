require "fileinto";
if address :domain :is "from" ["example.org", "example.com", "example.net"] { fileinto "example"; }
