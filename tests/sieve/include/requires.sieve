require "include";
include "files";
fileinto "INBOX";
