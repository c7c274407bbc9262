# The site's script, run for every message that is delivered here, before it is filed.
# Mail that SpamAssassin calls spam goes to Junk.
require ["fileinto"];

if header :contains "X-Spam-Flag" "YES" {
    fileinto "Junk";
    stop;
}
