require ["replace", "mime", "foreverypart", "fileinto", "mailbox"];
replace :mime text:
Content-Type: text/html

<p>new</p>
.
;
fileinto :create "Mime";
