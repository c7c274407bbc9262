if address ["Return-Path", "Disposition-Notification-To", "Envelope-To"] "bounce@list.example.org" { keep; }
