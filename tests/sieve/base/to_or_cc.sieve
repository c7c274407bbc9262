require "fileinto";
if address :matches ["to", "cc", "bcc"] "*@*" { fileinto "to"; } else { fileinto "nobody"; }
