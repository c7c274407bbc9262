require "fileinto";
# comment
if header :is "subject" "Lines" {
  fileinto "INBOX.crlf";
}
